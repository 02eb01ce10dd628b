"""Whether memory grows over hundreds of trials: a study of short trials of all sizes on two workers, watched meanwhile.

python benchmarks/soak.py [--trials 500] [--save]
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from measuring import processor
from textune import commands
from textune.records import TrialResult, TrialState
from textune.registry import register
from textune.tracking.base import Event, Tracker, TrackerConfig

RESULTS = Path(__file__).parent / "results" / "soak.md"
EVERY, SHOWN = 10, 50
LOOK_SECONDS = 0.2
WORKERS = 2
MEASURES = {"Rss": "resident", "Pss": "share", "Anonymous": "data"}
"""The kernel's name → ours: all in memory; with what is shared divided by its users; without files."""

STUDY: dict[str, Any] = {
    "name": "soak",
    "data": {"kind": "synthetic", "rows": 400},
    "tokenizer": {"kind": "words", "max_length": 40},
    "training": {"epochs": 2},
    "search": {
        "space": {
            "model.encoder": ["bag-of-words", "cnn", "rnn"],
            "model.embedding.size": {"low": 8, "high": 200},
            "model.encoder.num_filters": {"low": 8, "high": 200, "when": {"model.encoder": "cnn"}},
            "model.encoder.cell": {"values": ["rnn", "gru", "lstm"], "when": {"model.encoder": "rnn"}},
            "model.encoder.hidden_size": {"low": 8, "high": 200, "when": {"model.encoder": "rnn"}},
            "training.batch_size": {"low": 8, "high": 96},
            "training.optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        },
        "sampler": {"kind": "random"},
    },
    "execution": {"kind": "processes", "workers": WORKERS},
    "tracking": [{"kind": "table"}, {"kind": "memory"}],
}

NOTES = """
*share*: what several processes hold together is divided among them; *data*: without mapped files.

What grows in a worker is code that oneDNN compiles for each shape and keeps in two caches of 1,024 pieces each. Never
replaced, two workers came to 1,530 MB after 300 trials, and stayed there. Caches of 256 pieces (`LRU_CACHE_CAPACITY`,
`ONEDNN_PRIMITIVE_CACHE_CAPACITY`) end at 840 MB, but a CNN over sentences (SST, batches of 32) then takes 1.87 s an
epoch instead of 1.29 s, as one model alone has more shapes. `MALLOC_ARENA_MAX=1` changes nothing. So a worker that
holds 256 MiB more than it began with is replaced after its trial: the next comes from the fork server in 6 ms, and
compiles again what it needs, 0.2 s for that CNN. The coordinator remembers 11 kB of each trial.
"""

Sample = dict[str, float]
"""Process and measure → MB."""


@register("tracker", "memory")
class MemoryConfig(TrackerConfig):
    """Watches the memory of coordinator and workers."""

    def build(self, folder: Path) -> MemoryTracker:  # noqa: ARG002 - keeps it to itself
        return MemoryTracker()


class MemoryTracker(Tracker):
    """Looks at all processes five times a second.

    Attributes:
        samples: of each ten trials, or fewer at the end.
        pids: all workers there were.
    """

    samples: ClassVar[list[list[Sample]]] = [[]]
    pids: ClassVar[set[int]] = set()

    def __init__(self) -> None:
        self._ended = 0
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def record(self, event: Event) -> None:
        if isinstance(event, TrialResult):
            self._ended += 1
            if self._ended % EVERY == 0:
                self.samples.append([])

    def finish(self, study: object) -> None:  # noqa: ARG002 - whatever happened
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            pids = [process.pid or 0 for process in multiprocessing.active_children()]
            self.pids.update(pids)
            with contextlib.suppress(OSError):  # one has just ended
                if len(pids) == WORKERS:
                    self.samples[-1].append(sample(pids))


def sample(workers: Sequence[int]) -> Sample:
    """Returns what the coordinator, and the workers together, hold."""
    measured: Sample = {}
    for place, pids in (("coordinator", [os.getpid()]), ("workers", workers)):
        every = [memory(pid) for pid in pids]
        measured |= {f"{place}, {name}": sum(each[key] for each in every) for key, name in MEASURES.items()}
    return measured


def memory(pid: int) -> dict[str, float]:
    """Returns the MB of a process, by the kernel's names."""
    lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()]
    return {words[0][:-1]: int(words[1]) / 1000 for words in lines if words[0][:-1] in MEASURES}


def report(parts: list[list[Sample]]) -> list[str]:
    """Returns the table: fifty trials a row, and how the last compare with those after the first."""
    step = SHOWN // EVERY
    rows = [list(chain(*parts[begin : begin + step])) for begin in range(0, len(parts) - step + 1, step)]
    heads = list(rows[0][0])
    lines = ["| trials | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for number, row in enumerate(rows):
        cells = [f"{statistics.median(each[head] for each in row):.0f}" for head in heads]
        lines.append(f"| {number * SHOWN + 1}–{(number + 1) * SHOWN} | " + " | ".join(cells) + " |")
    ratios = [
        statistics.median(each[head] for each in rows[-1]) / statistics.median(each[head] for each in rows[1])
        for head in heads
    ]
    lines.append(
        f"| last {SHOWN} / those after the first {SHOWN} | " + " | ".join(f"{each:.2f}" for each in ratios) + " |"
    )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"search.trials={options.trials}"]
        record = commands.run(STUDY, out=Path(folder) / "run", overrides=overrides, quiet=True).record
    counts = ", ".join(f"{record.count(state)} {state}" for state in TrialState if record.count(state))
    seconds = time.perf_counter() - begin
    lines = [
        "# Memory over hundreds of trials",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, `python benchmarks/soak.py --trials {options.trials}`.",
        f"Trials of bags of words, CNN, RNN, GRU and LSTM of all sizes: {counts}, in {seconds:.0f} s.",
        f"{WORKERS} workers at a time; {len(MemoryTracker.pids)} in all: one that holds much is replaced. MB, medians.",
        f"Aim: the last {SHOWN} within 10% of those after the first {SHOWN}.",
        "",
        *report(MemoryTracker.samples),
        *NOTES.splitlines(),
    ]
    print("\n".join(lines))
    if options.save:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
