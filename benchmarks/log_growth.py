"""How reading a run folder grows with its trials: the log alone, `show`, `list` and `report`, each in a new process.

python benchmarks/log_growth.py [--trials 1000 5000] [--save]
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measuring import processor
from textune.config.space import Resolver
from textune.execution.serial import SerialConfig
from textune.json_records import Header
from textune.records import Objective, StudyStart, TrialState
from textune.run_folder import EVENTS
from textune.search.base import Params
from textune.search.none import NoPrunerConfig
from textune.search.random import RandomConfig
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space
from textune.study import Search, search
from textune.testing.quadratic import Quadratic
from textune.tracking.log import EventLog

RESULTS = Path(__file__).parent / "results" / "log_growth.md"
OBJECTIVE = Objective()
EPOCHS = 5
PATHS = ("training.optimizer.learning_rate", "training.batch_size", "training.class_weights")
SPACE = Space(
    [
        FloatDimension(PATHS[0], 1e-5, 1e-2, log=True),
        IntDimension(PATHS[1], 8, 512, log=True),
        ChoiceDimension(PATHS[2], ("none", "balanced")),
    ],
    lambda _params, _path: None,
)
PEAK = """
import atexit, sys
from pathlib import Path
def tell():
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(told["VmHWM"].split()[0], file=sys.stderr)
atexit.register(tell)
"""
"""The peak of this process's own memory; what the kernel tells a parent includes that of the parent."""
CLI = f"{PEAK}from textune.cli import main; main()"
READ = "from textune.tracking.log import read_study; read_study(Path(sys.argv[1]))"
IMPORT = "from textune.tracking.log import read_study"
COMMANDS: dict[str, tuple[str, list[str], str]] = {
    "read the log": (PEAK + READ, [], PEAK + IMPORT),
    "show": (CLI, ["show"], PEAK),
    "list": (CLI, ["list"], PEAK),
    "report": (CLI, ["report"], PEAK),
}
"""What is measured → code, arguments before the folder, and the code whose time and memory are subtracted."""


def make(folder: Path, trials: int) -> float:
    """Searches without data or torch, with whole configs in the log; returns the size of the log in MB."""
    resolver = Resolver({"data": {"kind": "synthetic"}})

    def resolve(params: Params) -> tuple[dict[str, Any], str]:
        point = resolver.resolve(params)
        return point.config, point.key

    folder.mkdir(parents=True)
    log = EventLog(folder)
    header: Header = {"config": {"search": {"space": {path: {} for path in PATHS}}}}
    study = search(
        Search(
            start=StudyStart(
                name="growth", objective=OBJECTIVE, paths=PATHS, metrics=("valid.accuracy",), trials=trials,
                header=header,
            ),
            resolve=resolve,
            space=SPACE,
            sampler=RandomConfig().build(SPACE, OBJECTIVE, seed=42),
            new_pruner=lambda: NoPrunerConfig().build(OBJECTIVE, EPOCHS),
            executor=SerialConfig().build(Quadratic(epochs=EPOCHS)),
            log=log,
        )
    )  # fmt: skip
    log.close()
    assert study.count(TrialState.COMPLETE) == trials, study.trials[0].result
    return (folder / EVENTS).stat().st_size / 1e6


def measure(code: str, *arguments: str, repeats: int = 5) -> tuple[float, float]:
    """Returns the median processor seconds of a Python process, and the peak of its memory in MB."""
    seconds, peaks = [], []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        peaks.append(int(ended.stderr.split()[-1]) / 1000)
    return statistics.median(seconds), max(peaks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    lines = [
        "# How reading a run folder grows with its trials",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, Python {platform.python_version()}. Median of five processes.",
        f"Trials of {EPOCHS} epochs; each logs its whole config. Processor seconds, without those of the start: of",
        "Python for commands, of Python and the imports for the log alone. Memory is the peak of the process, without",
        "that of the start.",
        "Aim: linear, and `show` of 5,000 trials in less than 1 s.",
        "",
        "| what | trials | log, MB | seconds | ms per trial | memory, MB | kB per trial |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as name:
        runs = {trials: Path(name) / str(trials) / "run" for trials in options.trials}
        sizes = {trials: make(folder, trials) for trials, folder in runs.items()}
        for what, (code, arguments, begin) in COMMANDS.items():
            start, least = measure(begin)
            for trials, folder in runs.items():
                seconds, peak = measure(code, *arguments, str(folder.parent if what == "list" else folder))
                seconds, memory = seconds - start, peak - least
                lines.append(
                    f"| {what} | {trials:,} | {sizes[trials]:.1f} | {seconds:.2f} | {1000 * seconds / trials:.2f} "
                    f"| {memory:.0f} | {1000 * memory / trials:.0f} |"
                )
                print(lines[-1], flush=True)
    if options.save:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
