"""Encoder `transformer`: a pretrained model, trained further."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from textune.errors import MissingDependencyError
from textune.models.base import EncoderConfig
from textune.pretrained import checkpoint_folder
from textune.registry import register

if TYPE_CHECKING:
    from textune.models.nets.base import Embedding
    from textune.models.nets.transformer import Transformer

__all__ = ["TransformerConfig"]


@register("encoder", "transformer")
class TransformerConfig(EncoderConfig):
    """A pretrained transformer of the BERT family, with its own embeddings. It needs `tokenizer: pretrained`.

    Source: Devlin et al. 2019.
    """

    LIBRARIES: ClassVar[tuple[str, ...]] = ("transformers",)
    MODULES: ClassVar[tuple[str, ...]] = ("textune.models.nets.transformer",)

    model: str = Field(
        "distilbert/distilbert-base-uncased",
        description="folder of the pretrained model (config.json, model.safetensors, tokenizer.json), or its name on"
        " the Hugging Face hub, whose cache on this machine must hold it",
    )
    num_frozen_layers: int = Field(
        0, ge=0, description="lowest layers that stay as they are, without dropout; from 1 on, embeddings too"
    )
    dropout: float | None = Field(
        None, ge=0, lt=1, description="share of the values set to zero in training; null: as the model was trained"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute layers twice instead of keeping what they computed: slower, with less memory"
    )
    architecture: dict[str, Any] = Field(
        default={}, description="config.json of the model; filled in where a trained model is saved"
    )

    @property
    def pretrained(self) -> str:
        return self.model

    def located(self, folders: Sequence[Path]) -> TransformerConfig:
        return self.model_copy(update={"model": str(checkpoint_folder(self.model, folders))})

    def saved(self) -> TransformerConfig:
        architecture = json.loads((Path(self.model) / "config.json").read_text(encoding="utf-8"))
        return self.model_copy(update={"architecture": architecture})

    def build(self, embedding: Embedding) -> Transformer:  # noqa: ARG002 - it brings its own
        try:
            from textune.models.nets.transformer import Transformer
        except ModuleNotFoundError as error:
            if error.name != "transformers":
                raise
            raise MissingDependencyError("encoder 'transformer'", "transformers", "transformers") from error

        return Transformer(self)
