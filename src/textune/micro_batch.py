"""How many rows of a batch fit into memory at once, remembered for later trials of such a model."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

from textune.data import Cache, content_key

__all__ = ["MicroBatch"]


class MicroBatch:
    """The micro-batch of a trial, of which a note stands in the cache only where a whole batch did not fit.

    Args:
        cache: where notes lie; None: nothing is noted, as on GPUs, whose memory others take and give back.
        size: what the memory of a step depends on, beside the number of rows; JSON values.
        batch_size: of a whole batch.
        halvings: how often this trial was killed for the memory it took.
        memory_bytes: that it may take; None: all there is.
    """

    def __init__(
        self, cache: Cache | None, size: Sequence[Any], batch_size: int, halvings: int, memory_bytes: int | None
    ) -> None:
        self._cache, self._key = cache, content_key("micro-batch", list(size), memory_bytes)
        self._noted: int | None = None if cache is None else cache.note(self._key)
        self._halved = math.ceil(batch_size / 2**halvings) if halvings else None

    def first(self) -> int | None:
        """Returns what to begin with, None for whole batches."""
        return min((size for size in (self._noted, self._halved) if size), default=None)

    def note(self, micro_batch: int | None) -> None:
        """Remembers what a step came to need; None: nothing less than whole batches."""
        if micro_batch is not None and micro_batch != self._noted:
            self._noted = micro_batch
            if self._cache is None:
                return
            with contextlib.suppress(OSError):  # it is a hint
                self._cache.write_note(self._key, micro_batch)
