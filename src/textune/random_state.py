"""What random numbers come from where no generator is named: of the whole process, so one trial holds it at a time."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["CPU", "RandomState", "generators", "held"]

CPU = torch.device("cpu")
_held = threading.RLock()
_seeder = np.random.RandomState(0)  # to make one takes long


@dataclass(frozen=True)
class RandomState:
    """The states of the generators of PyTorch (on `device`, and on the CPU), NumPy and Python."""

    device: torch.device
    pytorch: tuple[Tensor, ...]
    numpy: Any
    python: Any

    @classmethod
    def seeded(cls, seed: int, device: torch.device = CPU) -> RandomState:
        """Returns the states that a seed leads to."""
        places = (device, CPU)[: len(generators(device))]
        states = tuple(torch.Generator(place).manual_seed(seed).get_state() for place in places)
        with _held:
            _seeder.seed(seed % 2**32)
            return cls(device, states, _seeder.get_state(), random.Random(seed).getstate())  # noqa: S311 - no secret

    @classmethod
    def now(cls, device: torch.device = CPU) -> RandomState:
        """Returns the states as they are."""
        states = tuple(generator.get_state() for generator in generators(device))
        return cls(device, states, np.random.get_state(), random.getstate())  # noqa: NPY002

    @classmethod
    def loaded(cls, saved: Mapping[str, Any] | Tensor, device: torch.device) -> RandomState:
        """Returns what `saved` gave; checkpoints of earlier versions have the state of PyTorch on `device` alone."""
        if isinstance(saved, Tensor):
            now = cls.now(device)
            return cls(device, (saved, *now.pytorch[1:]), now.numpy, now.python)
        version, words, gauss = saved["python"]
        return cls(device, tuple(saved["pytorch"]), tuple(saved["numpy"]), (version, tuple(words), gauss))

    def saved(self) -> dict[str, Any]:
        """Returns lists of JSON values, tensors and arrays."""
        return {"pytorch": list(self.pytorch), "numpy": list(self.numpy), "python": list(self.python)}

    def restore(self) -> None:
        """Makes these the states of the process."""
        for generator, state in zip(generators(self.device), self.pytorch, strict=True):
            generator.set_state(state)
        np.random.set_state(self.numpy)  # noqa: NPY002
        random.setstate(self.python)


@contextmanager
def held(begin: RandomState) -> Iterator[None]:
    """Draws from `begin` meanwhile, and then restores the states; a second thread waits until the first is done."""
    with _held:
        before = RandomState.now(begin.device)
        begin.restore()
        try:
            yield
        finally:
            before.restore()


def generators(device: torch.device) -> tuple[torch.Generator, ...]:
    """Returns what PyTorch draws from on a device, in dropout for one; behind it that of the CPU, if it is another."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index], torch.default_generator
    return (torch.default_generator,)
