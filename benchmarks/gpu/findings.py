"""What the phases share: where they run, in which size, and how a finding is written down."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

__all__ = ["DEVICE", "GPU", "OUT", "TINY", "found", "peak_megabytes", "seconds_of", "small_study", "synchronize"]

DEVICE = torch.device("cuda", 0) if os.environ.get("DEVICE", "cuda") == "cuda" else torch.device("cpu")
GPU = DEVICE.type == "cuda"
TINY = bool(os.environ.get("TINY"))
OUT = Path(os.environ.get("OUT", "."))


def found(phase: str, name: str, value: Any, unit: str = "") -> None:
    """Writes a finding down at once, so that a phase that is ended leaves what it found."""
    line = json.dumps({"phase": phase, "name": name, "value": value, "unit": unit})
    print(line, flush=True)
    with (OUT / "findings.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def synchronize() -> None:
    if GPU:
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], repeats: int) -> float:
    """Returns the median time of `work`, the device's part included; a first call is not counted."""
    work()
    times = []
    for _ in range(repeats):
        synchronize()
        started = time.perf_counter()
        work()
        synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def peak_megabytes(work: Callable[[], object]) -> float:
    """Returns the most that the GPU held for tensors during `work`; NaN on a processor."""
    if not GPU:
        work()
        return float("nan")
    torch.cuda.reset_peak_memory_stats()
    work()
    synchronize()
    return torch.cuda.max_memory_allocated() / 1e6


def small_study(rows: int = 2000, **changes: Any) -> dict[str, Any]:
    """Returns a study of small models on generated reviews; each change replaces a section."""
    study: dict[str, Any] = {
        "name": "small",
        "data": {"kind": "synthetic", "rows": 240 if TINY else rows},
        "tokenizer": {"kind": "words", "max_length": 32},
        "model": {"embedding": {"size": 32}, "encoder": {"kind": "rnn", "hidden_size": 64}, "pooling": "max"},
        "training": {"epochs": 2 if TINY else 5, "batch_size": 32},
        "search": {
            "space": {"training.optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
            "sampler": "random",
            "trials": 3,
        },
        "confirm": "off",
        "execution": {"kind": "serial", "devices": DEVICE.type},
    }
    return {**study, **changes}
