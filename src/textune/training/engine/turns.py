"""What is global in PyTorch and belongs to a training only while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from textune.training.engine.precision import flushed_denormals

__all__ = ["Turns", "random_generator"]


def random_generator(device: torch.device) -> torch.Generator:
    """Returns what random numbers on `device` are drawn from where nothing else is named: in dropout, for one."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    return torch.default_generator


class Turns:
    """A training takes turns with its caller, each of whom finds random numbers and denormals as they left them."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
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
            with flushed_denormals():
                yield
        finally:
            self.random_state = self._generator.get_state()
            self._generator.set_state(callers_state)
