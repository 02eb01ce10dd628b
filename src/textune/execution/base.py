"""The contract of an executor: it runs trials somewhere and turns whatever happens into events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Literal

from pydantic import Field

from textune.config.base import Config
from textune.devices import gpus
from textune.errors import Problem, StudyError
from textune.records import EndReason, Progress, TrialResult, TrialSpec

__all__ = ["PATIENCE_SECONDS", "SAVING_SECONDS", "Evaluate", "Event", "Executor", "ExecutorConfig"]

Event = Progress | TrialResult
Evaluate = Callable[[TrialSpec], Generator[Progress | None, None, TrialResult]]
"""The objective: yields a Progress at the end of each epoch and returns the TrialResult. It never knows who runs it.
Within an epoch it yields None about ten times a second: moments in which it can be stopped. It is stopped by closing
the generator, or, when it is to go on later, by an InterruptedTrial thrown into it, on which it leaves a checkpoint in
its folder. Exceptions, kills and stops are turned into a TrialResult by the executor.
Executors with processes pickle it: a module-level function, or an instance of a module-level class, of an imported
module. If it has an attribute `preload` (names of modules), worker processes start with these imported."""


PATIENCE_SECONDS = 5.0
"""How long a worker that was asked to stop may take to do so by itself."""
SAVING_SECONDS = 60.0
"""The same, where it may come to the end of a long step first and write a checkpoint."""


class Executor(ABC):
    """Runs trials, at most `slots` at once.

    After every Progress the trial waits for `proceed` or `stop`, so a pruner's decision holds at once.
    """

    slots: int

    @abstractmethod
    def submit(self, spec: TrialSpec) -> None:
        """Starts a trial in a free slot; returns at once."""

    @abstractmethod
    def wait(self, timeout_seconds: float | None = None) -> list[Event]:
        """Returns the events since the last call, waiting for the first one.

        Empty when the time is up, or when there is a moment in which to look at the clock and at signals.

        Raises:
            FatalError: the study has to end; events that came before were returned by earlier calls.
        """

    @abstractmethod
    def proceed(self, trial: int) -> None:
        """Lets a trial go on after its Progress."""

    @abstractmethod
    def stop(self, trial: int, end: EndReason, reason: str) -> None:
        """Ends a trial, also in the middle of an epoch; nothing happens if it has ended.

        Its TrialResult still comes through `wait`, with this end and the best metrics so far, unless it came to an end
        of its own at that moment. A trial that does not answer is not waited for longer than PATIENCE_SECONDS
        (SAVING_SECONDS where it is INTERRUPTED, and may write a checkpoint).
        """

    @abstractmethod
    def close(self) -> None:
        """Ends every trial and worker without results. Idempotent."""


class ExecutorConfig(Config):
    """What every executor can be told."""

    devices: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="'cuda': trials compute on GPUs (only those in CUDA_VISIBLE_DEVICES, where that is set);"
        " 'cpu': on the processor; 'auto': on GPUs where there are any",
    )
    threads_per_trial: int = Field(1, ge=1, description="processor threads each trial may use")
    max_retries: int = Field(
        2, ge=0, description="times a trial is tried again after its worker died, or its GPU had no memory left for it"
    )
    timeout_seconds: float | None = Field(None, gt=0, description="a trial is ended after this; null: no limit")
    memory_bytes_per_worker: int | None = Field(
        None,
        ge=2**20,
        description="main memory for data a trial may take beyond what its idle worker holds, on Linux; null: no limit",
    )
    keep_models: Literal["best", "all", "none"] = Field("best", description="which trials' weights stay on disk")

    def gpus(self) -> tuple[str, ...]:
        """Returns the GPUs that trials compute on, as `textune.devices` names them; none: they take the processor.

        Raises:
            StudyError: there is none, and the study asks for one.
        """
        found = () if self.devices == "cpu" else gpus()
        if self.devices == "cuda" and not found:
            message = (
                "is 'cuda', and PyTorch finds no GPU here; set it to 'auto' or 'cpu', or see to the driver, to a "
                "PyTorch made for it, and to CUDA_VISIBLE_DEVICES"
            )
            raise StudyError([Problem("", "execution.devices", message)])
        return found

    @abstractmethod
    def build(self, evaluate: Evaluate) -> Executor:
        """Returns a started executor. `evaluate` is pickled once per worker where workers are processes."""
