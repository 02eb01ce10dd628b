"""Independent named random streams from one study seed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["derive", "generator"]


def derive(seed: int, *names: str | int) -> int:
    """Returns a 63-bit seed that depends on every name and on nothing else.

    Streams of different names are independent: `derive(42, "split")`, `derive(42, "trial", "order", 3)`.
    The digest is stable across Python versions, processes and machines.
    """
    text = "\x1f".join([str(seed), *(f"{type(name).__name__}:{_escaped(name)}" for name in names)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _escaped(name: str | int) -> str:
    """Two names that hold the separator must not make the text of three."""
    return str(name).replace("\x1e", "\x1e0").replace("\x1f", "\x1e1")


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Returns a numpy generator of the named stream."""
    import numpy as np

    return np.random.default_rng(derive(seed, *names))
