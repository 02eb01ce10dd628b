"""How much more memory this process can take, and whether what it reads will fit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from textune.errors import DataError
from textune.memory import status_bytes

__all__ = ["Watch", "available_bytes"]

MACHINE = Path("/proc/meminfo")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")

LATER = 1.25
"""What rows take at most while they are checked, sampled and hashed, as a multiple of what reading them took."""

MARGIN = 64 * 2**20


def available_bytes() -> int | None:
    """Returns how many bytes the machine, its control groups and its limits leave this process; None if not known."""
    machine = status_bytes("MemAvailable", MACHINE)
    return None if machine is None else max(0, min(machine, *_left_by_control_groups(), *_left_by_limits()))


def _left_by_limits() -> Iterator[int]:
    """Yields what `ulimit -v` and `ulimit -d` leave."""
    with contextlib.suppress(ImportError):
        import resource

        for limit, held in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
            most, _ = resource.getrlimit(limit)
            if most != resource.RLIM_INFINITY and (now := status_bytes(held)) is not None:
                yield most - now


def _left_by_control_groups() -> Iterator[int]:
    """Yields what the control groups of this process leave, as in containers; files in the page cache give way."""
    with contextlib.suppress(OSError, ValueError):
        for line in OWN_GROUP.read_text(encoding="utf-8").splitlines():
            _, controllers, own = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            root = CONTROL_GROUPS / controllers
            most, held, cached = (
                ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                if controllers
                else ("memory.max", "memory.current", "inactive_file")
            )
            group = root / own.lstrip("/")
            for folder in (group, *group.parents):
                with contextlib.suppress(OSError, ValueError):  # the root has no limit, or it says "max"
                    limit = int((folder / most).read_text(encoding="ascii"))
                    statistics = dict(map(str.split, (folder / "memory.stat").read_text(encoding="ascii").splitlines()))
                    yield limit - int((folder / held).read_text(encoding="ascii")) + int(statistics.get(cached, 0))
                if folder == root:
                    break


class Watch:
    """Looks, while something is read, whether all of it will fit into the memory.

    What it will take is told by what it has taken so far, so that columns that are not kept and rows of any length
    count as they are.
    """

    def __init__(self) -> None:
        self._before = status_bytes("VmRSS")

    def check(self, name: str, share: float | None) -> None:
        """Raises DataError if the rest will not fit.

        Args:
            name: of what is read.
            share: how much of it was read; None if that is not known.
        """
        now, available = status_bytes("VmRSS"), available_bytes()
        if now is None or self._before is None or available is None:
            return
        taken = max(0, now - self._before)
        whole = LATER * taken / (share or 1)
        if whole - taken + MARGIN > available:
            about = "" if share is None else f"about {whole / 2**30:,.1f} GiB, "
            raise DataError(
                f"{name} needs more memory than there is: {about}of which {taken / 2**30:,.1f} GiB are taken and "
                f"{available / 2**30:,.1f} GiB left; divide it into smaller files, leave out columns, or use a machine "
                "with more memory"
            )
