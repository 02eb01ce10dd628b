"""The forward pass that the transformers library has, for architectures without one of their own here."""

# B texts, T tokens of the longest, L tokens of all texts one after the other, D width, N tokens of a data set

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["LibraryForward"]


class LibraryForward:
    """(ids_BT, mask_BT) → hidden_BTD, as `PackedBert` has it.

    Args:
        module: of the library.
        layers: its layers, the lowest first.
        num_frozen_layers: the lowest of them, which may be gone on from.
        padding: the id that it knows as padding.
    """

    def __init__(self, module: Any, layers: Sequence[nn.Module], num_frozen_layers: int, padding: int) -> None:
        self._module, self._frozen, self._padding = module, layers[:num_frozen_layers], padding
        self._token = 1 if padding == 0 else 0  # stands where it does not matter which
        self._num_outputs: int | None = None  # of a layer that gives a tuple, the hidden states first

    def __call__(self, ids_BT: Tensor, mask_BT: Tensor, *, first_only: bool) -> Tensor:  # noqa: ARG002
        ids_BT = ids_BT.masked_fill(~mask_BT, self._padding)
        hidden_BTD: Tensor = self._module(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
        return hidden_BTD

    def goes_on_from_frozen(self) -> bool:
        """Whether the frozen layers give the same in every step, and the others can start from it.

        It is tried on two texts, without dropout, as architectures differ: in some, layers share trained weights with
        those above, or these look back at the embeddings.
        """
        device = next(self._module.parameters()).device
        ids_BT = torch.tensor([[2, 3, 4], [5, 6, self._padding]], device=device)
        mask_BT = torch.tensor([[True, True, True], [True, True, False]], device=device)
        places_BT = torch.tensor([[0, 1, 2], [3, 4, 0]], device=device)
        try:
            states_LD = self.lower(ids_BT, mask_BT)
            again_BTD = self.upper(states_LD.detach().cpu().numpy(), places_BT, mask_BT, first_only=False)
            whole_BTD = self(ids_BT, mask_BT, first_only=False)
        except (ValueError, TypeError, IndexError, AttributeError, RuntimeError):  # in whatever way it differs
            return False
        is_same = torch.allclose(again_BTD[mask_BT], whole_BTD[mask_BT], rtol=1e-3, atol=1e-4)
        return is_same and not states_LD.requires_grad

    def lower(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Returns what the frozen layers make of each token of the texts, one after the other: states_LD."""
        found: list[Tensor] = []

        def look(_layer: nn.Module, _inputs: Any, output: Any) -> None:
            self._num_outputs = None if isinstance(output, Tensor) else len(output)
            found.append(output if isinstance(output, Tensor) else output[0])
            raise _Enough

        handle = self._frozen[-1].register_forward_hook(look)
        try:
            self(ids_BT, mask_BT, first_only=False)
        except _Enough:
            return found[0][mask_BT]
        finally:
            handle.remove()
        raise RuntimeError("the layers are not those that the forward pass goes through")

    def upper(self, states_ND: NDArray[np.floating], places_BT: Tensor, mask_BT: Tensor, *, first_only: bool) -> Tensor:
        """Goes on from what `lower` gave: returns what a call does, for the tokens at some places in `states_ND`.

        `goes_on_from_frozen` must have been asked.
        """
        states_LD = torch.from_numpy(states_ND[places_BT[mask_BT].cpu().numpy()]).to(mask_BT.device).float()
        hidden_BTD = states_LD.new_zeros(*mask_BT.shape, states_LD.shape[1])
        hidden_BTD[mask_BT] = states_LD
        output = hidden_BTD if self._num_outputs is None else (hidden_BTD, *[None] * (self._num_outputs - 1))
        with _answering(self._frozen, output):
            return self(torch.full_like(places_BT, self._token), mask_BT, first_only=first_only)


class _Enough(Exception):
    """The layers above are not needed."""


@contextmanager
def _answering(layers: Sequence[nn.Module], output: Any) -> Iterator[None]:
    """Lets layers give `output`, whatever they are asked."""
    for layer in layers:
        layer.forward = lambda *_inputs, **_settings: output
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
