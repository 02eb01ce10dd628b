"""How much memory a trial may take and a worker may keep, and whom the kernel kills for it. Mostly on Linux."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textune.errors import Problem, StudyError
from textune.memory import status_bytes

__all__ = ["DataLimit", "Growth", "kernel_kills"]

KERNEL_COUNTERS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))
"""Where the kernel counts the processes it killed for lack of memory, in lines `oom_kill N`."""


KEPT_BYTES = 256 * 2**20
"""What a process may hold between trials beyond what it began with.

A worker that holds more is replaced, which takes 6 ms. It is code that oneDNN compiles for each shape it meets, half a
megabyte a piece, and keeps for the next time, up to half a gigabyte. A convolution over sentences needs 100 MB of it,
and is half as fast if it may not keep so much.
"""


class DataLimit:
    """Lets this process take so many bytes of data beyond what it holds at the beginning, and then fails allocations.

    Data is what the kernel calls so (RLIMIT_DATA): heaps, tensors and the stacks of new threads, counted when they are
    reserved; not mapped files and code. Memory that was freed, but is still held by the C library, can be used beyond.

    Attributes:
        num_bytes: None: no limit.
    """

    def __init__(self, num_bytes: int | None) -> None:
        self.num_bytes = num_bytes
        self._most = None if num_bytes is None else (status_bytes("VmData") or 0) + num_bytes

    @staticmethod
    def check() -> None:
        """Raises StudyError if this system cannot limit data."""
        if not sys.platform.startswith("linux"):
            message = "memory is limited on Linux only; leave it out, or set it to null"
            raise StudyError([Problem("", "execution.memory_bytes_per_worker", message)])

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the process to its limit meanwhile."""
        if self._most is None:
            yield
            return
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = self._most if hard == resource.RLIM_INFINITY else min(self._most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


class Growth:
    """What this process holds beyond what it began with; nothing where the system does not tell."""

    def __init__(self) -> None:
        self._begin = status_bytes("RssAnon")

    def is_large(self) -> bool:
        now = status_bytes("RssAnon")
        return now is not None and self._begin is not None and now - self._begin > KEPT_BYTES


def kernel_kills() -> int:
    """Returns how many processes the kernel has killed for lack of memory; 0 where it does not tell."""
    return sum(_counter(path) for path in KERNEL_COUNTERS)


def _counter(path: Path) -> int:
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
