"""How a study is asked to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self, TypeVar

__all__ = ["StopSignals"]

Result = TypeVar("Result")


class StopSignals:
    """Within it the first Ctrl-C or SIGTERM only asks to stop, so that nothing is torn; the second interrupts at once.

    One lives as long as its study does, so that none of its parts misses that it was asked to stop; it may be entered
    again within itself. Only the main thread can listen to signals; elsewhere nothing ever asks.

    Attributes:
        requested: whether it was asked to stop.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self._depth = self._at_once = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._depth += 1
        if self._depth == 1 and threading.current_thread() is threading.main_thread():
            self._before = {each: signal.signal(each, self._hear) for each in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            for each, handler in self._before.items():
                signal.signal(each, handler)

    def check(self) -> None:
        """Raises KeyboardInterrupt if it was asked to stop."""
        if self.requested:
            raise KeyboardInterrupt

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it the first signal interrupts at once: what is done there is not kept before it is whole."""
        self._at_once += 1
        try:
            self.check()
            yield
        finally:
            self._at_once -= 1

    def run(self, work: Generator[object, None, Result]) -> Result:
        """Runs work to its end, and returns what comes of it, unless it is asked to stop: then it raises as `check`."""
        while True:
            self.check()
            try:
                next(work)
            except StopIteration as end:
                result: Result = end.value
                return result

    def _hear(self, _signal: int, _frame: FrameType | None) -> None:
        if self.requested or self._at_once:
            self.requested = True
            raise KeyboardInterrupt
        self.requested = True
