"""The pipeline: tokenizer + model + classes; what is saved at the end and predicts ever after.

A folder of safetensors and JSON, no pickle: `model.safetensors`, `tokenizer.json`, `config.json`, a card (`README.md`).
"""

# N texts, K classes

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from textune.config.base import Config
from textune.config.study import ModelConfig
from textune.data import Examples, Keep, encode, eval_batches
from textune.errors import TextuneError
from textune.storage import write_atomically
from textune.version import __version__

if TYPE_CHECKING:
    import tokenizers

    from textune.models.nets.base import TextClassifier

__all__ = ["Pipeline", "PipelineConfig"]

FORMAT = 1


class PipelineConfig(Config):
    """What `config.json` of a pipeline holds."""

    format: int = Field(FORMAT, description="changes when an older Textune could not read it")
    textune: str = Field(__version__, description="the version that wrote it")
    classes: tuple[str, ...] = Field((), strict=False, description="class names, in the order of the outputs")
    max_length: int | None = Field(256, ge=1, description="tokens that are read of a text; null: all")
    keep: Keep = Field("start", description="which part of a longer text is read")
    precision: str = Field("fp32", description="what probabilities are computed in")
    model: ModelConfig = Field(default={}, validate_default=True, description="what was trained")
    study: dict[str, Any] = Field(default={}, description="where it comes from: study, trial, params, metrics")


@dataclass(frozen=True)
class Pipeline:
    """Predicts. `predict` gives the same probabilities as training measured for the same text."""

    config: PipelineConfig
    model: TextClassifier
    tokenizer: tokenizers.Tokenizer

    def save(self, folder: Path, card: str = "") -> None:
        """Writes the folder."""
        from safetensors.torch import save

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in self.model.state_dict().items()}
        write_atomically(folder / "model.safetensors", save(tensors))
        write_atomically(folder / "tokenizer.json", self.tokenizer.to_str(pretty=False))
        write_atomically(folder / "README.md", card)
        write_atomically(folder / "config.json", json.dumps(self.config.dump(), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Pipeline:
        """Reads a folder that `save` wrote.

        Raises:
            TextuneError: it is no pipeline, or of a kind that this installation does not have.
        """
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        from textune.models.nets.assemble import build_classifier

        try:
            config = PipelineConfig.model_validate(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise TextuneError(f"{folder} holds no model (it has no config.json); has the study ended?") from None
        except (ValueError, ValidationError) as error:
            raise TextuneError(f"{folder}/config.json cannot be used by textune {__version__}: {error}") from error
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokens = [tokenizer.id_to_token(index) or "" for index in range(tokenizer.get_vocab_size())]
        model = build_classifier(config.model, tokens, None, len(config.classes), seed=0)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return cls(config, model.eval(), tokenizer)

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns probabilities_NK of texts, in their order."""
        if not texts:
            return np.zeros((0, len(self.config.classes)), dtype=np.float32)
        return self.predict_examples(encode(self.tokenizer, texts))

    def predict_examples(self, examples: Examples, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Returns probabilities_NK of texts that are token ids already, in the order of `rows` (ascending)."""
        from textune.training.engine.predict import predict

        rows = np.arange(len(examples)) if rows is None else rows
        labels = np.zeros(len(examples), dtype=np.int64)
        batches = eval_batches(examples, labels, rows, self.config.max_length, self.config.keep)
        return predict(self.model, batches, self.config.precision).probabilities_NK
