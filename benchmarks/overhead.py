"""What a trial costs beside its own work: asking, starting, reporting, logging, ending. The trials here do no work.

python benchmarks/overhead.py [--trials 10000] [--save]
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measuring import processor
from textune.config.space import Resolver
from textune.execution.processes import ProcessesConfig
from textune.execution.serial import SerialConfig
from textune.records import Objective, StudyStart, TrialResult, TrialState
from textune.search.base import Params
from textune.search.none import NoPrunerConfig
from textune.search.random import QmcConfig, RandomConfig
from textune.search.tpe import TpeConfig
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space
from textune.study import Search, search
from textune.testing.quadratic import Quadratic
from textune.tracking.base import Event, Tracker
from textune.tracking.log import EventLog
from textune.tracking.table import TableConfig

RESULTS = Path(__file__).parent / "results" / "overhead.md"
OBJECTIVE = Objective()
PATHS = ("training.optimizer.learning_rate", "training.batch_size", "training.class_weights")
SPACE = Space(
    [
        FloatDimension(PATHS[0], 1e-5, 1e-2, log=True),
        IntDimension(PATHS[1], 8, 512, log=True),
        ChoiceDimension(PATHS[2], ("none", "balanced")),
    ],
    lambda _params, _path: None,
)


class Stopwatch(Tracker):
    """The time at which each trial ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def record(self, event: Event) -> None:
        if isinstance(event, TrialResult):
            self.ends.append(time.perf_counter())


def measure(sampler: Any, executor: Any, trials: int) -> tuple[list[float], int]:
    """Returns the milliseconds from one trial's end to the next one's, and the bytes of the log."""
    watch, resolver = Stopwatch(), Resolver({"data": {"kind": "synthetic"}})

    def resolve(params: Params) -> tuple[dict[str, Any], str]:
        point = resolver.resolve(params)
        return point.config, point.key

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = EventLog(folder)
        study = search(
            Search(
                start=StudyStart(
                    name="overhead", objective=OBJECTIVE, paths=PATHS, metrics=("valid.accuracy",), trials=trials
                ),
                resolve=resolve,
                space=SPACE,
                sampler=sampler.build(SPACE, OBJECTIVE, seed=42),
                new_pruner=lambda: NoPrunerConfig().build(OBJECTIVE, 4),
                executor=executor.build(Quadratic(epochs=1)),
                log=log,
                trackers=(TableConfig().build(folder), watch),
            )
        )
        log.close()
        assert study.count(TrialState.COMPLETE) == trials, study.trials[0].result
        size = (folder / "events.jsonl").stat().st_size
    return [1000 * (end - begin) for begin, end in zip(watch.ends, watch.ends[1:], strict=False)], size


def row(name: str, times: list[float], size: int) -> str:
    tenth = max(len(times) // 10, 1)
    first, last = statistics.fmean(times[:tenth]), statistics.fmean(times[-tenth:])
    return (
        f"| {name} | {len(times) + 1:,} | {statistics.median(times):.2f} | {statistics.fmean(times):.2f} "
        f"| {first:.2f} | {last:.2f} | {last / first:.2f} | {size / (len(times) + 1) / 1000:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    lines = [
        "# What a trial costs beside its own work",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, Python {platform.python_version()}. Milliseconds per trial.",
        "Trials of one epoch that do nothing; three dimensions; each trial's whole config is resolved and validated,",
        "event log and `trials.csv` are written.",
        "Aim: median ≤ 2 ms serial, ≤ 10 ms through `processes`, and no growth.",
        "",
        "| sampler, executor | trials | median | mean | first tenth | last tenth | growth | log, kB per trial |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for name, sampler, executor, trials in (
        ("random, serial", RandomConfig(), SerialConfig(), options.trials),
        ("random, processes (2 workers)", RandomConfig(), ProcessesConfig(workers=2), options.trials),
        ("qmc, serial", QmcConfig(), SerialConfig(), options.trials),
        ("tpe, serial", TpeConfig(), SerialConfig(), min(options.trials, 500)),
    ):
        gc.collect()
        lines.append(row(name, *measure(sampler, executor, trials)))
        print(lines[-1], flush=True)
    if options.save:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
