"""What is global in PyTorch and belongs to a training only while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from textune.training.engine.precision import flushed_denormals, rounding

__all__ = ["Turns", "deterministic_kernels", "random_generator"]


def random_generator(device: torch.device) -> torch.Generator:
    """Returns what random numbers on `device` are drawn from where nothing else is named: in dropout, for one."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    return torch.default_generator


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
    """A training takes turns with its caller, each of whom finds what is global as they left it.

    Args:
        device: where the model stands.
        precision: what it is computed in; forward passes see to it themselves, and what follows them does not.
        deterministic: whether kernels are to give the same numbers each time; on a CPU they do anyway.
    """

    def __init__(self, device: torch.device, precision: str = "fp32", *, deterministic: bool = False) -> None:
        self._device, self._precision = device, precision
        self._kernels = deterministic_kernels if deterministic and device.type == "cuda" else nullcontext
        self._generator = random_generator(device)
        self.random_state: Tensor = self._generator.get_state()

    def seed(self, seed: int) -> None:
        """Starts a new stream of random numbers with the next turn."""
        self.random_state = torch.Generator(self._device).manual_seed(seed).get_state()

    @contextmanager
    def turn(self) -> Iterator[None]:
        callers_state = self._generator.get_state()
        self._generator.set_state(self.random_state)
        try:
            with flushed_denormals(), rounding(self._precision, self._device), self._kernels():
                yield
        finally:
            self.random_state = self._generator.get_state()
            self._generator.set_state(callers_state)
