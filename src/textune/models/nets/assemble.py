"""A classifier from its config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch

from textune.models.base import WordVectors
from textune.models.nets.base import TextClassifier
from textune.random_state import RandomState, held

if TYPE_CHECKING:
    from textune.config.study import ModelConfig

__all__ = ["build_classifier", "has_more_weights"]

BESIDE = 50_000_000
"""Numbers that may be built beside those of a model: an embedding that its encoder does not use."""

BESIDE_TENSORS = 1_000


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


class _TooManyError(Exception):
    """Ends the building of a model that has more weights than its file."""


def has_more_weights(model: ModelConfig, tokens: Sequence[str], num_classes: int, sizes: Sequence[int]) -> bool:
    """Whether a config asks for a model of more numbers than a file of weights has, found out without allocating one.

    False where the model cannot be built on the meta device, as that of a plug-in may not.

    Args:
        model: the config.
        tokens: the vocabulary by id.
        num_classes: of the classifier.
        sizes: how many numbers each tensor of the file has.
    """
    num_numbers, total, num_tensors = sum(sizes), 0, 0

    def count(_module: torch.nn.Module, _name: str, tensor: torch.Tensor | None) -> None:
        nonlocal total, num_tensors
        num_tensors += 1
        total += 0 if tensor is None else tensor.numel()
        too_large, too_many = total > 2 * num_numbers + BESIDE, num_tensors > 2 * len(sizes) + BESIDE_TENSORS
        if too_large or too_many:  # at once: to build a million layers takes long, and memory, even there
            raise _TooManyError

    hooks = (
        torch.nn.modules.module.register_module_parameter_registration_hook(count),
        torch.nn.modules.module.register_module_buffer_registration_hook(count),
    )
    try:
        with torch.device("meta"):
            built = build_classifier(model, tokens, None, num_classes, seed=0)
    except _TooManyError:
        return True
    except Exception:  # whatever is wrong is said when it is built
        return False
    finally:
        for hook in hooks:
            hook.remove()
    size: int = sum(tensor.numel() for tensor in built.state_dict().values())
    return size > num_numbers
