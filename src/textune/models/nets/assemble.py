"""A classifier from its config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from textune.models.base import WordVectors
from textune.models.nets.base import TextClassifier
from textune.random_state import RandomState, held

if TYPE_CHECKING:
    from textune.config.study import ModelConfig

__all__ = ["build_classifier"]


def build_classifier(
    model: ModelConfig, tokens: Sequence[str], vectors: WordVectors | None, num_classes: int, seed: int
) -> TextClassifier:
    """Returns a classifier on the CPU whose first weights depend on the config and the seed alone.

    Args:
        tokens: the vocabulary by id; id 0 is padding.
        vectors: of the file that `model.embedding.vector_file` names; None if it names none, or if weights are loaded
            afterwards.
    """
    config = cast("Any", model)  # components are typed by role at run time
    with held(RandomState.seeded(seed)):
        encoder = config.encoder.build(config.embedding.build(tokens, vectors))
        pooling = config.pooling.build(encoder)
        return TextClassifier(encoder, pooling, config.head.build(pooling.output_size, num_classes))
