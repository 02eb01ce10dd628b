"""The files that a config only names: a pretrained model, word vectors."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from textune.config.study import TrialConfig
from textune.data import Cache, content_key, locate
from textune.data.vectors import file_identity
from textune.errors import TextuneError
from textune.space import ChoiceDimension

if TYPE_CHECKING:
    from textune.config.load import LoadedStudy

__all__ = ["file_digests", "find_named_files", "located", "vector_file"]

MODEL_FILES = (".json", ".model", ".safetensors", ".txt")
"""What is read of the folder of a pretrained model."""


def located(config: TrialConfig, folders: Sequence[Path]) -> TrialConfig:
    """Returns the config with the pretrained model that it may name found.

    Raises:
        TextuneError: it is not on this machine; says the ways to get it.
    """
    tokenizer, encoder = cast("Any", (config.tokenizer, config.model.encoder))  # typed by role at run time
    encoder = encoder.located(folders)
    model = config.model.model_copy(update={"encoder": encoder})
    return config.model_copy(
        update={"model": model, "tokenizer": tokenizer.located(folders, encoder.pretrained)},
    )


def vector_file(config: TrialConfig, folders: Sequence[Path]) -> Path | None:
    """Returns the word-vector file that the config may name.

    Raises:
        DataError: it is not on this machine.
    """
    name = config.model.embedding.vector_file  # type: ignore[attr-defined]
    return None if name is None else Path(locate(name, folders))


def find_named_files(loaded: LoadedStudy) -> list[str]:
    """Returns the pretrained models and word vectors that the study and its choices name, each once.

    Raises:
        TextuneError: one is not on this machine, which would end trials one by one.
    """
    found = dict.fromkeys(_found(located(loaded.config, loaded.folders), loaded.folders))
    for path, config in _chosen(loaded):
        try:
            found |= dict.fromkeys(_found(config, loaded.folders))
        except TextuneError as error:
            raise TextuneError(f"a choice of {path}: {error}") from None
    return list(found)


def file_digests(loaded: LoadedStudy, cache: Cache) -> dict[str, str]:
    """Returns a digest of the content of each pretrained model and word-vector file of a study, by its last name.

    Raises:
        TextuneError: one is not on this machine.
    """
    return {Path(name).name: _digest(Path(name), cache) for name in find_named_files(loaded)}


def _digest(path: Path, cache: Cache) -> str:
    """Returns a digest of a file, or of the files of a pretrained model; read once as long as they do not change."""
    key = content_key("digest", file_identity(path))
    known = cache.note(key)
    if isinstance(known, str):
        return known
    digest = hashlib.sha256()
    files = sorted(each for each in path.iterdir() if each.suffix in MODEL_FILES) if path.is_dir() else [path]
    for each in files:
        with each.open("rb") as file:
            digest.update(f"{each.name}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    cache.write_note(key, digest.hexdigest())
    return digest.hexdigest()


def _found(config: TrialConfig, folders: Sequence[Path]) -> list[str]:
    encoder = cast("Any", config.model.encoder).located(folders)
    return [str(name) for name in (encoder.pretrained, vector_file(config, folders)) if name is not None]


def _chosen(loaded: LoadedStudy) -> Iterator[tuple[str, TrialConfig]]:
    """Yields the config that each value of a list leads to, without other values, and the path of the list."""
    for stage in loaded.stages:
        for dimension in stage.space.dimensions:
            if isinstance(dimension, ChoiceDimension) and dimension.path.startswith("model"):
                for value in dimension.values:
                    with contextlib.suppress(ValidationError):  # it needs another value beside it
                        tree, _ = stage.resolver.settings({dimension.path: value})
                        yield dimension.path, TrialConfig.model_validate(tree)
