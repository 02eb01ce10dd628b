"""What a trial has behind it when an earlier attempt was interrupted."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from textune.training.engine.checkpoint import CheckpointError, read_state
from textune.training.measurement import FitResult, Predictions

__all__ = ["Past"]

NOTHING: Mapping[str, Any] = {"seconds": 0.0, "fits": (), "training": None}


class Past:
    """Finished folds, and how far the next one has come: what a checkpoint of a trial holds.

    Attributes:
        fits: the results of the finished folds.
        training: the state of the fold that was being trained; None if it had not begun.
    """

    def __init__(self, identity: str, hardware: str, state: Mapping[str, Any] = NOTHING) -> None:
        self._identity, self._hardware = identity, hardware
        self._started: float = time.perf_counter() - state["seconds"]
        self.fits = [FitResult(**{**fit, "valid": Predictions(**fit["valid"])}) for fit in state["fits"]]
        self.training: Mapping[str, Any] | None = state["training"]

    @classmethod
    def read(cls, path: Path | None, identity: str, hardware: str) -> Past:
        """Reads a checkpoint; where there is none, or none that can be used, nothing was done yet.

        Args:
            path: of the file, if there should be one.
            identity: equal for trials that give equal numbers; the checkpoint of another one cannot be used.
            hardware: what this attempt computes on, and in which precision. A random state of one device is none of
                another, and half a trial in another precision has numbers that no whole one has.
        """
        if path is None or not path.exists():
            return cls(identity, hardware)
        try:
            state = read_state(path)
        except CheckpointError as error:
            problem = str(error)
        else:
            before = state.get("hardware", hardware)  # checkpoints of before 2026-11-29 do not name it
            if state["identity"] == identity and before == hardware:
                return cls(identity, hardware, state)
            problem = "it belongs to another trial, or to other data"
            if state["identity"] == identity:
                problem = f"it was computed on {before}, and this attempt computes on {hardware}"
        print(f"{path} cannot be used, so the trial starts over: {problem}", file=sys.stderr)
        return cls(identity, hardware)

    @property
    def seconds(self) -> float:
        """How long the trial has taken, up to the checkpoint and since."""
        return time.perf_counter() - self._started

    def end_fold(self, fit: FitResult) -> None:
        self.fits.append(fit)
        self.training = None

    def state(self, training: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what a checkpoint holds, with the state of the fold that is being trained."""
        fits = [asdict(fit) for fit in self.fits]
        return {
            "identity": self._identity,
            "hardware": self._hardware,
            "seconds": self.seconds,
            "fits": fits,
            "training": training,
        }
