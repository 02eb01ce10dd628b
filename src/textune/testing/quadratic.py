"""A study that needs no data and no torch: the values are points, the objective is a parabola."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from textune.errors import DivergedError, FatalError, InterruptedTrial
from textune.records import EndReason, Progress, TrialResult, TrialSpec
from textune.storage import write_atomically

__all__ = ["CHECKPOINT", "Quadratic", "resolve"]

CHECKPOINT = "checkpoint.safetensors"
LARGE = 256 * 2**20
_LEAKED: list[bytes] = []
ONCE = "-once"
Params = Mapping[str, Any]


def resolve(params: Params) -> tuple[dict[str, Any], str]:
    """Returns params as their own config: equal params are one point."""
    return dict(params), json.dumps(params, sort_keys=True)


class Quadratic:
    """Maximal, 0, where every number among the params is 0.5; each epoch comes closer to the trial's value.

    A trial pulses once in each epoch, leaves the number of its epochs as a checkpoint after each and when interrupted,
    and goes on from there.

    The param `behaviour` makes a trial misbehave, most after the first epoch: `nan`, `crash`, `diverge`, `fatal`,
    `full-disk`, `out-of-memory`, `allocate` (256 MiB), `leak` (more), `quit`, `exit`, `kill`, `terminate`, `segfault`,
    `hang`, `hang-in-c`, `endless` (pulses until it is stopped), `stubborn` (the same, and goes on when interrupted),
    `unsaved` (the same, and fails when interrupted), `slow` (the same, and takes 3 s to save), `print`, `no-result`.
    With `-once` behind it, only in the first attempt.
    """

    def __init__(self, epochs: int = 3) -> None:
        self.epochs = epochs

    def __call__(self, spec: TrialSpec) -> Generator[Progress | None, None, TrialResult]:
        numbers = [value for value in spec.params.values() if isinstance(value, int | float)]
        value = -sum((number - 0.5) ** 2 for number in numbers)
        behaviour = _behaviour(spec)
        if behaviour == "nan":
            value = float("nan")
        done = _epochs_done(spec)
        try:
            for epoch in range(done + 1, self.epochs + 1):
                yield None
                now = value - 1 / epoch + 1 / self.epochs
                done = epoch
                yield Progress(
                    trial=spec.number, attempt=spec.attempt, epoch=epoch, epochs=self.epochs, value=now,
                    metrics={"valid.accuracy": now},
                )  # fmt: skip
                _save(spec, done)
                yield from _misbehave(behaviour)
        except InterruptedTrial:
            _save(spec, done)
            raise
        if behaviour == "no-result":
            return None  # type: ignore[return-value]
        return TrialResult(
            trial=spec.number, attempt=spec.attempt, end=EndReason.FINISHED, reason="finished", value=value,
            metrics={"valid.accuracy": value}, best_epoch=self.epochs, epochs=self.epochs, folder=spec.folder,
            details={name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")},
        )  # fmt: skip


def _behaviour(spec: TrialSpec) -> str:
    behaviour = str(spec.params.get("behaviour", ""))
    if not behaviour.endswith(ONCE):
        return behaviour
    return behaviour.removesuffix(ONCE) if spec.attempt == 1 else ""


def _epochs_done(spec: TrialSpec) -> int:
    if spec.checkpoint is None or not Path(spec.checkpoint).exists():
        return 0
    return int(Path(spec.checkpoint).read_text(encoding="ascii"))


def _save(spec: TrialSpec, epochs: int) -> None:
    if spec.folder is not None:
        Path(spec.folder).mkdir(parents=True, exist_ok=True)
        write_atomically(Path(spec.folder) / CHECKPOINT, str(epochs))


def _misbehave(behaviour: str) -> Generator[None, None, None]:
    match behaviour:
        case "crash":
            raise ValueError("the third\nlayer is missing")
        case "diverge":
            raise DivergedError("the loss was nan at epoch 2, step 7")
        case "fatal":
            raise FatalError("the disk is full")
        case "full-disk":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "out-of-memory":
            raise MemoryError("not enough")
        case "allocate":
            bytearray(LARGE)
        case "leak":
            _LEAKED[:] = [b"\1" * (LARGE + LARGE // 4)]
        case "print":
            print("hello from the trial")
        case "endless" | "stubborn" | "unsaved" | "slow":
            yield from _pulse(behaviour)
        case _:
            _die(behaviour)


def _pulse(behaviour: str) -> Generator[None, None, None]:
    while True:
        time.sleep(0.01)
        try:
            yield None
        except InterruptedTrial:
            if behaviour == "unsaved":
                raise OSError("the folder is gone") from None
            if behaviour == "slow":
                time.sleep(3)
            if behaviour != "stubborn":
                raise


def _die(behaviour: str) -> None:
    match behaviour:
        case "quit":
            sys.exit(4)
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "terminate":
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        case "segfault":
            ctypes.string_at(0)
        case "hang":
            time.sleep(3_600)
        case "hang-in-c":
            ctypes.PyDLL(None).sleep(3_600)  # unlike CDLL, it keeps the interpreter's lock
