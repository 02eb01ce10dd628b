"""The pipeline: tokenizer + model + classes; what is saved at the end and predicts ever after.

A folder of safetensors and JSON, no pickle: `model.safetensors`, `tokenizer.json`, `textune.json`, a card
(`README.md`), and the plug-in files that define parts of the model. That of a transformer is one of the transformers
library, too: weights have its names, `config.json` and `tokenizer_config.json` are its own.
"""

# N texts, K classes

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from textune.config.base import Config
from textune.config.study import ModelConfig
from textune.data import (
    SEPARATOR,
    Examples,
    Keep,
    Label,
    LabelType,
    Reading,
    TextColumns,
    encode,
    eval_batches,
    texts_of,
    typed_label,
)
from textune.devices import device
from textune.errors import TextuneError, plain
from textune.memory import is_exhausted
from textune.models import TransformerConfig
from textune.registry import is_loaded, load_plugin, plugin_file
from textune.storage import write_atomically
from textune.version import __version__

if TYPE_CHECKING:
    import tokenizers

    from textune.models.nets.base import TextClassifier
    from textune.models.nets.hugging_face import Layout

__all__ = ["SETTINGS", "Pipeline", "PipelineConfig"]

SETTINGS = "textune.json"
"""The file that a folder is known by."""

TOKENIZER, WEIGHTS = "tokenizer.json", "model.safetensors"


class PipelineConfig(Config):
    """What `textune.json` of a pipeline holds."""

    format: Literal[2] = Field(2, description="changes when an older Textune could not read it")
    textune: str = Field(__version__, description="the version that wrote it")
    classes: tuple[str, ...] = Field((), strict=False, description="class names, in the order of the outputs")
    labels: LabelType = Field("text", description="the type of the labels in the data it was trained on")
    max_length: int | None = Field(256, ge=1, description="tokens that are read of a text; null: all")
    keep: Keep = Field("start", description="which part of a longer text is read")
    precision: str = Field("fp32", description="what probabilities are computed in")
    text: TextColumns = Field("text", description="the columns of the texts in the data it was trained on")
    separator: str = Field(SEPARATOR, description="what stood between the cells of joined columns")
    reading: Reading = Field(Reading(), description="how its files were read")
    plugins: dict[str, str] = Field(default={}, description="plug-in file in this folder → SHA-256 of its source")
    files: dict[str, str] = Field(default={}, description="tokenizer and weights → SHA-256 of the file")
    model: ModelConfig = Field(default={}, validate_default=True, description="what was trained")
    study: dict[str, Any] = Field(default={}, description="where it comes from: study, trial, params, metrics")

    @model_validator(mode="before")
    @classmethod
    def _reading_as_written_before(cls, settings: Any) -> Any:
        """Reads folders from before `reading` was a record: two of its settings were beside it."""
        if not isinstance(settings, dict):
            return settings
        before = {name: settings[name] for name in ("delimiter", "quotes") if name in settings}
        rest = {name: value for name, value in settings.items() if name not in before}
        return {**rest, "reading": before} if before else rest


@dataclass(frozen=True)
class Pipeline:
    """Predicts. `predict` gives the same probabilities as training measured for the same text."""

    config: PipelineConfig
    model: TextClassifier
    tokenizer: tokenizers.Tokenizer

    def save(self, folder: Path) -> None:
        """Writes the folder."""
        from safetensors.torch import save

        folder.mkdir(parents=True, exist_ok=True)
        sources = {path.name: path.read_bytes() for path in _plugin_files(self.config.model)}
        plugins = {name: _digest(source) for name, source in sources.items()}
        layout = _library_layout(self.config.model, self.model)
        tensors = self.model.state_dict() if layout is None else layout.tensors()
        parts = {
            WEIGHTS: save({name: each.contiguous() for name, each in tensors.items()}, {"format": "pt"}),
            TOKENIZER: self.tokenizer.to_str(pretty=False).encode(),
        }
        digests = {name: _digest(content) for name, content in parts.items()}
        config = self.config.model_copy(update={"plugins": plugins, "files": digests})
        files: dict[str, str | bytes] = {**sources, **parts, "README.md": _card(config, layout)}
        if layout is not None:
            files |= layout.code
            files["config.json"] = _json(layout.config(config.classes))
            files["tokenizer_config.json"] = _json(layout.tokenizer_config(self.tokenizer, config.max_length))
        for name, content in {
            **files,
            SETTINGS: _json(config.dump()),
        }.items():  # it is a pipeline once the last is there
            write_atomically(folder / name, content)

    @classmethod
    def load(cls, folder: Path, *, allow_plugins: bool = False) -> Pipeline:
        """Reads a folder that `save` wrote.

        Args:
            folder: of the pipeline.
            allow_plugins: whether to run the plug-in files in it, where this process has not loaded them yet.

        Raises:
            TextuneError: it is no pipeline, or of a kind that this installation does not have.
        """
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        from textune.models.nets.assemble import build_classifier, has_more_weights

        config = _read_config(folder, allow_plugins=allow_plugins)
        try:
            for name in (TOKENIZER, WEIGHTS):
                if config.files.get(name) not in (None, _file_digest(folder / name)):
                    raise ValueError(f"{name} is not the file that {SETTINGS} was saved with")  # noqa: TRY301
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            tokens = [tokenizer.id_to_token(index) or "" for index in range(tokenizer.get_vocab_size())]
            weights = folder / WEIGHTS
            if has_more_weights(config.model, tokens, len(config.classes), sizes := _sizes(weights)):
                raise ValueError(f"{SETTINGS} describes a larger model than one of {sum(sizes):,} weights")  # noqa: TRY301
            model = build_classifier(config.model, tokens, None, len(config.classes), seed=0)
            layout, tensors = _library_layout(config.model, model), load_file(weights)
            model.load_state_dict(tensors if layout is None else layout.own(tensors))
        except TextuneError:
            raise
        except Exception as error:  # the tokenizers package raises nothing narrower
            if is_exhausted(error):
                raise
            reason = plain(" ".join(str(error).split())[:200])
            raise TextuneError(
                f"the model in {folder} is damaged, or its files are of different models: {reason}"
            ) from error
        return cls(config, model.eval().to(device()), tokenizer)

    @property
    def labels(self) -> list[Label]:
        """The classes, in the order of the outputs, in the type that the labels of the data had."""
        return [typed_label(name, self.config.labels) for name in self.config.classes]

    def predict(self, texts: Iterable[object], pulse: Callable[[], None] | None = None) -> NDArray[np.float32]:
        """Returns probabilities_NK of texts, in their order; what is missing (None, NaN) counts as an empty text.

        Args:
            texts: any iterable, Series or array of texts, or a frame (pandas, polars, Arrow, a list of dicts, a dict of
                lists) with the column of texts that the study names.
            pulse: called before each batch; may raise to end it.

        Raises:
            DataError: it is a single text, a frame without that column, or holds what is not text.
        """
        given = texts_of(texts, (self.config.text, "text"), self.config.separator)
        if not given:
            return np.zeros((0, len(self.config.classes)), dtype=np.float32)
        return self.predict_examples(encode(self.tokenizer, given), pulse=pulse)

    def predict_examples(
        self, examples: Examples, rows: NDArray[np.int64] | None = None, pulse: Callable[[], None] | None = None
    ) -> NDArray[np.float32]:
        """Returns probabilities_NK of texts that are token ids already, in the order of `rows` (ascending)."""
        from textune.training.engine.predict import predict

        rows = np.arange(len(examples)) if rows is None else rows
        labels = np.zeros(len(examples), dtype=np.int64)
        cut, tokens = (self.config.max_length, self.config.keep), self.model.encoder.tokens_per_batch
        batches = eval_batches(examples, labels, rows, *cut, tokens_per_batch=tokens)
        pulsing = batches if pulse is None else (batch for batch in batches if pulse() is None)
        return predict(self.model, pulsing, self.config.precision).probabilities_NK


def _sizes(weights: Path) -> list[int]:
    """Returns how many numbers each tensor of a safetensors file has, by its header."""
    from safetensors import safe_open

    with safe_open(weights, framework="np") as file:
        return [math.prod(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118 - it is no dict


def _read_config(folder: Path, *, allow_plugins: bool) -> PipelineConfig:
    path = folder / SETTINGS
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TextuneError(f"{folder} holds no model (it has no {SETTINGS}); has the study ended?") from None
    except (ValueError, RecursionError) as error:
        raise TextuneError(f"{path} is damaged: {error}") from error
    if not isinstance(settings, dict):
        raise TextuneError(f"{path} is damaged: it holds no settings")
    _load_plugins(folder, settings.get("plugins", {}), allow=allow_plugins)
    try:
        return PipelineConfig.model_validate(settings)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise TextuneError(f"{path} cannot be used by textune {__version__}: {reasons}") from error


def _library_layout(config: ModelConfig, model: TextClassifier) -> Layout | None:
    """Returns how the transformers library keeps a model, None if it does not."""
    if not isinstance(config.encoder, TransformerConfig):
        return None
    from textune.models.nets.hugging_face import layout_of

    return layout_of(model)


def _plugin_files(model: ModelConfig) -> list[Path]:
    """Returns the plug-in files that define parts of a model."""
    parts = (model.embedding, model.encoder, model.pooling, model.head)
    return sorted({file for part in parts if (file := plugin_file(type(part))) is not None})


def _load_plugins(folder: Path, plugins: Any, *, allow: bool) -> None:
    if not isinstance(plugins, dict) or not all(isinstance(each, str) for each in plugins.values()):
        raise TextuneError(f"{folder / SETTINGS} is damaged: plugins must be file names and their SHA-256")
    for name in plugins:
        if Path(name).name != name or Path(name).suffix != ".py":
            raise TextuneError(f"{folder} names the plug-in '{plain(name)}', which is no Python file beside it")
    missing = {name: digest for name, digest in plugins.items() if not is_loaded(digest)}
    if missing and not allow:
        files = ", ".join(str(folder / name) for name in missing)
        raise TextuneError(f"the model runs Python code from {files}; read it, then allow it with --allow-plugins")
    for name, digest in missing.items():
        path = folder / name
        if not path.is_file() or _digest(path.read_bytes()) != digest:
            raise TextuneError(f"{path} is not the plug-in file the model was trained with; restore it from a copy")
        load_plugin(path)


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _card(config: PipelineConfig, layout: Layout | None) -> str:
    """Returns what a person who finds the folder should know."""
    study = config.study
    measured = {name: value for name, value in study.get("metrics", {}).items() if name.startswith("valid.")}
    metrics = "\n".join(f"- {name}: {value:.4f}" for name, value in measured.items())
    classes = ", ".join("`{}`".format(plain(name).replace("`", "'")) for name in config.classes)
    return f"""# {study.get("name", "Text classifier")}

A text classifier trained by Textune {config.textune} (trial {study.get("trial", "?")} of its study).
It tells {classes} from each other.

Use it with `textune predict FOLDER texts.csv`, where FOLDER is the folder of this file.
{"" if layout is None else _library_use(config, layout)}
Measured on the valid rows, by which it was chosen (scores on test rows stand in the report of the study):

{metrics}
"""


def _library_use(config: PipelineConfig, layout: Layout) -> str:
    """Returns how the transformers library predicts with the folder, and where it differs."""
    trust = ", trust_remote_code=True" if layout.code else ""
    notes = [f"It runs `{name}` of this folder." for name in layout.code]
    if config.max_length is not None:
        notes.append(f"Pass `truncation=True` with texts, for those of more than {config.max_length} tokens.")
    if isinstance(config.model.encoder, TransformerConfig) and config.model.encoder.model is None:
        notes.append("Leave texts without a word out: its tokenizer makes nothing of them.")
    if config.keep != "start":
        notes.append(f"It reads the start of such texts; Textune reads what it was trained on (`keep: {config.keep}`).")
    if config.precision != "fp32":
        notes.append(f"It computes in fp32, Textune in {config.precision} as in training: the last digits differ.")
    return f"""
In Python, `transformers.pipeline("text-classification", FOLDER{trust})` predicts the same. {" ".join(notes)}
"""
