"""Trials in this process, one at a time: for a single trial, for debugging, and where processes are not allowed."""

from __future__ import annotations

import importlib
from contextlib import ExitStack

from textune.devices import compute_on, gpu_answers
from textune.errors import FatalError
from textune.execution.attempt import Attempt
from textune.execution.base import Evaluate, Event, Executor, ExecutorConfig
from textune.execution.process_memory import DataLimit, Growth
from textune.memory import release_memory
from textune.records import EndReason, TrialResult, TrialSpec
from textune.registry import register
from textune.surroundings import limited_threads

__all__ = ["SerialConfig", "SerialExecutor"]


GPU_FAILED = (
    "the GPU does not answer this process any more since the trial before, whose log says more; the same command goes "
    "on from here (with 'execution: processes' it is another process that fails, and the study goes on)"
)


class SerialExecutor(Executor):
    """Each `wait` runs the trial up to its next measurement, or to the next moment in which it can be stopped."""

    slots = 1

    def __init__(
        self, evaluate: Evaluate, threads: int, memory_bytes: int | None = None, *, on_gpu: bool = False
    ) -> None:
        self._evaluate, self._threads, self._memory_bytes, self._on_gpu = evaluate, threads, memory_bytes, on_gpu
        self._attempt: Attempt | None = None
        self._stopped: TrialResult | None = None
        self._undecided = self._gpu_failed = False
        self._growth = Growth()
        self._limited = ExitStack()

    def submit(self, spec: TrialSpec) -> None:
        assert self._attempt is None, "the only slot is taken"
        for module in getattr(self._evaluate, "preload", ()):  # it is not memory that the trial takes
            importlib.import_module(module)
        self._limited.close()
        self._limited.enter_context(limited_threads(self._threads))
        compute_on("cuda:0" if self._on_gpu else "cpu")
        self._attempt = Attempt(self._evaluate, spec, self._memory_bytes, on_gpu=self._on_gpu)

    def wait(self, timeout_seconds: float | None = None) -> list[Event]:  # noqa: ARG002 - a step takes what it takes
        if self._attempt is None or self._undecided:
            return []
        if self._gpu_failed:
            raise FatalError(GPU_FAILED)
        try:
            event = self._stopped or self._attempt.step()
        except FatalError:
            self._attempt = None
            raise
        if event is None:
            return []
        if isinstance(event, TrialResult):
            self._attempt = self._stopped = None
            if (
                self._on_gpu or self._growth.is_large()
            ):  # to look for garbage each time would take longer than a short trial
                release_memory()
            self._gpu_failed = self._on_gpu and not gpu_answers()
        else:
            self._undecided = True
        return [event]

    def proceed(self, trial: int) -> None:  # noqa: ARG002 - there is only one
        """The trial goes on in the next `wait`."""
        self._undecided = False

    def stop(self, trial: int, end: EndReason, reason: str) -> None:
        if self._attempt is not None and self._attempt.spec.number == trial and self._stopped is None:
            self._stopped = self._attempt.stop(end, reason)
            self._undecided = False

    def close(self) -> None:
        if self._attempt is not None:
            self._attempt.close()
        self._attempt = self._stopped = None
        self._limited.close()


@register("executor", "serial")
class SerialConfig(ExecutorConfig):
    """Trials run one after the other in this process, on one GPU at most."""

    def build(self, evaluate: Evaluate) -> SerialExecutor:
        if self.memory_bytes_per_worker is not None:
            DataLimit.check()
        on_gpu = bool(self.gpus())
        return SerialExecutor(evaluate, self.threads_per_trial, self.memory_bytes_per_worker, on_gpu=on_gpu)
