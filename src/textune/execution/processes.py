"""Trials in processes of this machine: warm workers, so that a trial starts in milliseconds and a crash stays its own.

Workers are forked from a server that has imported what trials need once. Between coordinator and worker only records
cross, as JSON, request by request: after each Progress the worker waits to hear whether to go on.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, SpawnContext
from types import ModuleType
from typing import Any

from pydantic import Field

from textune.errors import FatalError
from textune.execution.attempt import result_so_far
from textune.execution.base import Evaluate, Event, Executor, ExecutorConfig
from textune.execution.worker import Message, receive, send, work
from textune.records import EndReason, Progress, TrialResult, TrialSpec
from textune.registry import register

__all__ = ["ProcessesConfig", "ProcessesExecutor"]

Context = ForkServerContext | SpawnContext
PATIENCE_SECONDS = 5.0
"""How long a worker may take to end by itself."""


class ProcessesExecutor(Executor):
    """Starts workers as trials need them and keeps them; one that died is replaced by the next trial."""

    def __init__(self, evaluate: Evaluate, workers: int, threads: int) -> None:
        self.slots = workers
        self._threads = threads
        self._objective = pickle.dumps(evaluate)
        self._context = _context(evaluate)
        self._workers: list[_Worker] = []

    def submit(self, spec: TrialSpec) -> None:
        for worker in [worker for worker in self._workers if worker.spec is None and not worker.process.is_alive()]:
            self._remove(worker)
        idle = next((worker for worker in self._workers if worker.spec is None), None)
        if idle is None:
            assert len(self._workers) < self.slots, "every slot is taken"
            idle = _Worker(self._context, self._objective, self._threads)
            self._workers.append(idle)
        idle.submit(spec)

    def wait(self, timeout_seconds: float | None = None) -> list[Event]:
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        events: list[Event] = []
        while not events and (busy := [worker for worker in self._workers if worker.spec is not None]):
            waited: list[Any] = [place for worker in busy for place in (worker.connection, worker.process.sentinel)]
            ready = wait(waited, None if deadline is None else max(0.0, deadline - time.monotonic()))
            if not ready:
                break
            for worker in busy:
                if worker.connection in ready or worker.process.sentinel in ready:
                    events += self._hear(worker)
        return events

    def proceed(self, trial: int) -> None:
        self._of(trial).say(Message.PROCEED)

    def stop(self, trial: int, end: EndReason, reason: str) -> None:
        worker = self._of(trial)
        worker.stopping = True
        worker.say(Message.STOP, f"{end}:{reason}")

    def close(self) -> None:
        while self._workers:
            self._remove(self._workers[-1])

    def _hear(self, worker: _Worker) -> list[Event]:
        try:
            event = worker.hear()
        except EOFError:
            event = worker.lost()
            self._remove(worker)
        return [] if event is None else [event]

    def _of(self, trial: int) -> _Worker:
        return next(worker for worker in self._workers if worker.spec is not None and worker.spec.number == trial)

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.end()


class _Worker:
    """The coordinator's side of one worker process. `spec` is the trial it runs, None while it is idle."""

    def __init__(self, context: Context, objective: bytes, threads: int) -> None:
        self.spec: TrialSpec | None = None
        self.stopping = False
        self._progress: list[Progress] = []
        self._begin = 0.0
        self.connection, theirs = multiprocessing.Pipe()
        self.process = context.Process(target=work, args=(theirs, objective, threads), daemon=True)
        with _no_main_module():
            self.process.start()
        theirs.close()

    def submit(self, spec: TrialSpec) -> None:
        self.spec, self.stopping, self._progress, self._begin = spec, False, [], time.perf_counter()
        self.say(Message.RUN, spec.model_dump_json())

    def say(self, message: Message, content: str = "") -> None:
        with contextlib.suppress(EOFError):  # that it died is noticed when it is listened to
            send(self.connection, message, content)

    def hear(self) -> Event | None:
        """Returns what the worker says, or None if that is no news.

        Raises:
            FatalError: the worker says so.
            EOFError: the worker died.
        """
        if not self.connection.poll():
            raise EOFError
        message, content = receive(self.connection)
        if message is Message.FATAL:
            raise FatalError(content)
        if message is Message.RESULT:
            self.spec = None
            return TrialResult.model_validate_json(content)
        progress = Progress.model_validate_json(content)
        self._progress.append(progress)
        return None if self.stopping else progress

    def lost(self) -> TrialResult:
        """Returns the result of the trial whose worker died."""
        assert self.spec is not None
        self.process.join(PATIENCE_SECONDS)
        reason = f"{EndReason.WORKER_LOST.sentence} ({_how_it_died(self.process.exitcode)})"
        seconds = time.perf_counter() - self._begin
        return result_so_far(self.spec, self._progress, EndReason.WORKER_LOST, reason, seconds)

    def end(self) -> None:
        """An idle worker ends when its connection closes; a busy one is not waited for."""
        self.connection.close()
        if self.spec is None:
            self.process.join(PATIENCE_SECONDS)
        self.process.kill()
        self.process.join()
        self.process.close()


@register("executor", "processes")
class ProcessesConfig(ExecutorConfig):
    """Trials run side by side in worker processes of this machine."""

    workers: int | None = Field(None, ge=1, description="trials at once; null: as many as the processor cores allow")

    def build(self, evaluate: Evaluate) -> ProcessesExecutor:
        workers = self.workers or max(1, _num_cores() // self.threads_per_trial)
        return ProcessesExecutor(evaluate, workers, self.threads_per_trial)


def _num_cores() -> int:
    """Returns the cores this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _context(evaluate: Evaluate) -> Context:
    """Returns where workers come from: a fork server that begins at once to import what trials need."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    ours = sorted(name for name in sys.modules if name.startswith("textune."))
    context.set_forkserver_preload([*getattr(evaluate, "preload", ()), *ours])
    multiprocessing.resource_tracker.ensure_running()  # here, because its start unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is not for the server, from its start
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Hides the program that started the study: a worker needs nothing of it, and would run it again to import it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _how_it_died(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}; often the system kills for lack of memory" if name == "SIGKILL" else name
