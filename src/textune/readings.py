"""How often a test set was read, over all studies of a user."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from textune.records import Record
from textune.storage import cache_folder, locked, write_atomically

__all__ = ["count_reading"]


class _Reading(Record):
    """One reading: of which run folder, with a digest of what was predicted, at what Unix time."""

    run: str
    digest: str
    time: float


_READINGS = TypeAdapter(list[_Reading])


def count_reading(test_set: str, run: Path, digest: str) -> int:
    """Counts a reading and returns how many there were; clearing the cache does not forget them.

    A study that was killed reads once more when it is resumed; with the same predictions that is not another reading.

    Args:
        test_set: fingerprint of its rows.
        run: folder of the study.
        digest: of the predictions.
    """
    path = cache_folder() / "test-readings" / f"{test_set}.json"
    path.parent.mkdir(exist_ok=True)
    with locked(path.parent / ".lock"):
        readings = _known(path)
        this = _Reading(run=str(run.resolve()), digest=digest, time=time.time())
        of_this_run = [each.digest for each in readings if each.run == this.run]
        if of_this_run[-1:] != [digest]:
            readings.append(this)
            write_atomically(path, _READINGS.dump_json(readings))
    return len(readings)


def _known(path: Path) -> list[_Reading]:
    try:
        return _READINGS.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):  # a damaged count must not cost a study its end
        return []
