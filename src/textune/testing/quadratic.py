"""A study that needs no data and no torch: the values are points, the objective is a parabola."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Generator, Mapping
from typing import Any

from textune.errors import DivergedError, FatalError
from textune.records import EndReason, Progress, TrialResult, TrialSpec

__all__ = ["Quadratic", "resolve"]

Params = Mapping[str, Any]


def resolve(params: Params) -> tuple[dict[str, Any], str]:
    """Returns params as their own config: equal params are one point."""
    return dict(params), json.dumps(params, sort_keys=True)


class Quadratic:
    """Maximal, 0, where every number among the params is 0.5; each epoch comes closer to the trial's value.

    The param `behaviour` makes a trial misbehave, most after the first epoch: `nan`, `crash`, `diverge`,
    `out-of-memory`, `exit`, `kill`, `fatal`, `hang`, `print`, `no-result`.
    """

    def __init__(self, epochs: int = 3) -> None:
        self.epochs = epochs

    def __call__(self, spec: TrialSpec) -> Generator[Progress, None, TrialResult]:
        numbers = [value for value in spec.params.values() if isinstance(value, int | float)]
        value = -sum((number - 0.5) ** 2 for number in numbers)
        if spec.params.get("behaviour") == "nan":
            value = float("nan")
        for epoch in range(1, self.epochs + 1):
            now = value - 1 / epoch + 1 / self.epochs
            yield Progress(
                trial=spec.number, attempt=spec.attempt, epoch=epoch, epochs=self.epochs, value=now,
                metrics={"valid.accuracy": now},
            )  # fmt: skip
            _misbehave(spec)
        if spec.params.get("behaviour") == "no-result":
            return None  # type: ignore[return-value]
        return TrialResult(
            trial=spec.number, attempt=spec.attempt, end=EndReason.FINISHED, reason="finished", value=value,
            metrics={"valid.accuracy": value}, best_epoch=self.epochs, epochs=self.epochs, folder=spec.folder,
            details={"threads": os.environ.get("OMP_NUM_THREADS")},
        )  # fmt: skip


def _misbehave(spec: TrialSpec) -> None:
    match spec.params.get("behaviour"):
        case "crash":
            raise ValueError("the third\nlayer is missing")
        case "diverge":
            raise DivergedError("the loss was nan at epoch 2, step 7")
        case "out-of-memory":
            raise MemoryError("not enough")
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fatal":
            raise FatalError("the disk is full")
        case "hang":
            time.sleep(3_600)
        case "print":
            print("hello from the trial")
