"""What is global in PyTorch and belongs to a training only while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from textune.random_state import RandomState, held
from textune.training.engine.precision import flushed_denormals, rounding

__all__ = ["Turns", "deterministic_kernels"]


@contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Takes kernels that always add up in the same order, where there are any; PyTorch warns where there are none.

    It does not even warn of fused attention, some of whose kernels add up as their parts come in.
    """
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)


class Turns:
    """A training takes turns with its caller, and with other trainings in other threads of this process.

    Each finds what is global as it left it.

    Args:
        device: where the model stands.
        precision: what it is computed in; forward passes see to it themselves, and what follows them does not.
        deterministic: whether kernels are to give the same numbers each time; on a CPU they do anyway.
    """

    def __init__(self, device: torch.device, precision: str = "fp32", *, deterministic: bool = False) -> None:
        self._device, self._precision = device, precision
        self._kernels = deterministic_kernels if deterministic and device.type == "cuda" else nullcontext
        self.random_state = RandomState.now(device)

    def seed(self, seed: int) -> None:
        """Starts a new stream of random numbers with the next turn."""
        self.random_state = RandomState.seeded(seed, self._device)

    @contextmanager
    def turn(self) -> Iterator[None]:
        with held(self.random_state):
            try:
                with flushed_denormals(), rounding(self._precision, self._device), self._kernels():
                    yield
            finally:
                self.random_state = RandomState.now(self._device)
