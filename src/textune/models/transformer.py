"""Encoder `transformer`: a pretrained model, trained further, or one from scratch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from textune.errors import MissingDependencyError, Problem, StudyError
from textune.models.base import EncoderConfig
from textune.pretrained import checkpoint_folder
from textune.registry import register

if TYPE_CHECKING:
    from textune.models.nets.base import Embedding
    from textune.models.nets.transformer import Transformer

__all__ = ["TransformerConfig"]


@register("encoder", "transformer")
class TransformerConfig(EncoderConfig):
    """A transformer of the BERT family, with its own embeddings: a pretrained one, or one from scratch.

    A pretrained one needs `tokenizer: pretrained`. One from scratch, such as `architecture: {model_type: bert,
    hidden_size: 128}`, takes any other; `wordpiece` is the usual one.

    Source: Devlin et al. 2019.
    """

    LIBRARIES: ClassVar[tuple[str, ...]] = ("transformers",)
    MODULES: ClassVar[tuple[str, ...]] = ("textune.models.nets.transformer",)

    model: str | None = Field(
        "distilbert/distilbert-base-uncased",
        description="folder of the pretrained model (config.json, model.safetensors, tokenizer.json), or its name on"
        " the Hugging Face hub, whose cache on this machine must hold it; null: one from scratch",
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
        default={},
        description="of a model from scratch, in place of `model`: what its config.json says, model_type at least;"
        " filled in where a trained model is saved",
    )

    @model_validator(mode="before")
    @classmethod
    def _an_architecture_needs_no_model(cls, settings: Any) -> Any:
        is_alone = isinstance(settings, dict) and settings.get("architecture") and "model" not in settings
        return {**settings, "model": None} if is_alone else settings

    @model_validator(mode="after")
    def _something_to_start_from(self) -> TransformerConfig:
        if self.model is None and "model_type" not in self.architecture:
            raise ValueError("needs 'model', or an 'architecture' with its 'model_type' (bert, distilbert, roberta …)")
        return self

    @property
    def pretrained(self) -> str | None:
        return self.model

    def located(self, folders: Sequence[Path]) -> TransformerConfig:
        if self.model is None:
            return self
        if self.architecture:
            message = "describes a model from scratch, but model.encoder.model names one to go on from; leave one out"
            raise StudyError([Problem("", "model.encoder.architecture", message)])
        return self.model_copy(update={"model": str(checkpoint_folder(self.model, folders))})

    def saved(self) -> TransformerConfig:
        if self.model is None:
            return self
        architecture = json.loads((Path(self.model) / "config.json").read_text(encoding="utf-8"))
        return self.model_copy(update={"architecture": architecture})

    def build(self, embedding: Embedding) -> Transformer:
        try:
            from textune.models.nets.transformer import Transformer
        except ModuleNotFoundError as error:
            if error.name != "transformers":
                raise
            raise MissingDependencyError("encoder 'transformer'", "transformers", "transformers") from error

        return Transformer(self, num_tokens=embedding.num_tokens if self.model is None else None)
