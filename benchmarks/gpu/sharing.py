"""Phase `sharing`: how many small trials get done in an hour with 1 to 16 of them on one card, and without a card."""

from __future__ import annotations

import os
import time

from findings import GPU, OUT, TINY, found, small_study

from textune import api

PHASE = "sharing"
TRIALS = 4 if TINY else 32


def trials_per_hour(title: str, **execution: object) -> None:
    study = small_study(execution={"kind": "processes", **execution})
    study["search"] = {**study["search"], "trials": TRIALS}
    started = time.perf_counter()
    done = api.run(study, out=OUT / "sharing" / title.replace(" ", "-"), quiet=True)
    seconds = time.perf_counter() - started
    assert done.best is not None
    assert done.best.result is not None
    assert done.best.result.value is not None
    found(PHASE, title, round(3600 * TRIALS / seconds), "trials an hour")
    found(PHASE, f"{title}: best", round(done.best.result.value, 4))


def main() -> None:
    cores = len(os.sched_getaffinity(0))
    trials_per_hour(f"processor, {cores} workers", devices="cpu", workers=cores)
    if GPU:
        for number in (1, 4, 16, 8, 2):  # should time run out, the middle is missing
            trials_per_hour(f"GPU, {number} at once", devices="cuda", trials_per_device=number)


if __name__ == "__main__":
    main()
