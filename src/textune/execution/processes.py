"""Trials in processes of this machine: warm workers, so that a trial starts in milliseconds and a crash stays its own.

Workers are forked from a server that has imported what trials need once. Between coordinator and worker only records
cross, as JSON, request by request: after each Progress the worker waits to hear whether to go on.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import time
import weakref
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any

from pydantic import Field

from textune.errors import FatalError
from textune.execution.attempt import result_so_far
from textune.execution.base import PATIENCE_SECONDS, SAVING_SECONDS, Evaluate, Event, Executor, ExecutorConfig
from textune.execution.process_memory import DataLimit, kernel_kills
from textune.execution.start import Context, context, starting
from textune.execution.worker import Message, receive, send, work
from textune.records import EndReason, Progress, TrialResult, TrialSpec
from textune.registry import register

__all__ = ["ProcessesConfig", "ProcessesExecutor"]

ABSENT_SECONDS = 1.0
"""How much later than it wanted to this process may look after its workers, before it counts as having been away."""

HANG_SECONDS = 300.0
"""Starting CUDA on many GPUs, or reading a model from a slow network, may keep Python's lock for a minute."""


class ProcessesExecutor(Executor):
    """Starts workers as trials need them and keeps them; one that died is replaced by the next trial."""

    def __init__(
        self,
        evaluate: Evaluate,
        workers: int,
        threads: int,
        memory_bytes: int | None = None,
        gpus: Sequence[str] = (),
        hang_seconds: float | None = HANG_SECONDS,
    ) -> None:
        self.slots, self._gpus = workers, gpus
        self._hang_seconds = math.inf if hang_seconds is None else hang_seconds
        self._looked = time.monotonic()
        self._arguments = (pickle.dumps(evaluate), threads, memory_bytes)
        self._context = context(evaluate)
        self._workers: list[_Worker] = []
        self._fatal: FatalError | None = None
        weakref.finalize(self, _end, self._workers)  # also when Python ends, which would wait for workers that wait

    def submit(self, spec: TrialSpec) -> None:
        for worker in [worker for worker in self._workers if worker.spec is None and not worker.process.is_alive()]:
            self._remove(worker)
        idle = next((worker for worker in self._workers if worker.spec is None), None)
        if idle is None:
            assert len(self._workers) < self.slots, "every slot is taken"
            idle = _Worker(self._context, self._arguments, self._free_gpu(), self._hang_seconds)
            self._workers.append(idle)
        idle.submit(spec)

    def wait(self, timeout_seconds: float | None = None) -> list[Event]:
        deadline = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        events: list[Event] = []
        while not events and (busy := [worker for worker in self._workers if worker.spec is not None]):
            if self._fatal is not None:
                raise self._fatal
            self._look_again(busy)
            waited: list[Any] = [place for worker in busy for place in (worker.connection, worker.process.sentinel)]
            until = min(deadline, *(worker.answer_by for worker in busy))
            ready = wait(waited, None if until == math.inf else max(0.0, until - time.monotonic()))
            self._looked = min(until, time.monotonic())
            self._look_again(busy)
            for worker in busy:
                if worker.connection in ready or worker.process.sentinel in ready or worker.is_overdue():
                    events += self._hear(worker)
            if time.monotonic() >= deadline:
                break
        return events

    def proceed(self, trial: int) -> None:
        for worker in self._running(trial):
            worker.say(Message.PROCEED)

    def stop(self, trial: int, end: EndReason, reason: str) -> None:
        for worker in self._running(trial):
            worker.stop(end, reason)

    def close(self) -> None:
        _end(self._workers)

    def _look_again(self, busy: Sequence[_Worker]) -> None:
        """Counts no silence of workers in a time in which this process was stopped, maybe with them, or did not look.

        It has not been looking since `_looked`: then it asked last, or was to wake.
        """
        now = time.monotonic()
        if now - self._looked > ABSENT_SECONDS:
            for worker in busy:
                worker.was_not_looked_at()
        self._looked = now

    def _hear(self, worker: _Worker) -> list[Event]:
        event: Event | None = None
        try:
            event = worker.hear()
            if worker.has_left:
                self._remove(worker)
        except EOFError:
            event = worker.lost()
            self._remove(worker)
        except FatalError as error:
            self._fatal = error  # raised when what others say has been told
        return [] if event is None else [event]

    def _running(self, trial: int) -> list[_Worker]:
        return [worker for worker in self._workers if worker.spec is not None and worker.spec.number == trial]

    def _free_gpu(self) -> str | None:
        """Returns the GPU with the fewest workers."""
        taken = [worker.gpu for worker in self._workers]
        return min(self._gpus, key=taken.count, default=None)

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.leave()
        worker.end(time.monotonic() + PATIENCE_SECONDS)


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.leave()
    deadline = time.monotonic() + PATIENCE_SECONDS  # for all together: each of them may be stopped
    while workers:
        workers[-1].end(deadline)
        workers.pop()


class _Worker:
    """The coordinator's side of one worker process.

    Attributes:
        gpu: the only one it sees; None: it computes on the processor.
        spec: the trial it runs, None while it is idle.
        has_left: it told the last result and ends.
    """

    def __init__(
        self, context: Context, arguments: tuple[bytes, int, int | None], gpu: str | None, hang_seconds: float
    ) -> None:
        self.gpu, self._hang_seconds = gpu, hang_seconds
        self.spec: TrialSpec | None = None
        self._heard = self._end_by = math.inf
        self.has_left = False
        self._end_asked: tuple[EndReason, str] | None = None
        self._progress: list[Progress] = []
        self._begin = 0.0
        self._kernel_kills = 0
        self.connection, theirs = multiprocessing.Pipe()
        self.process = context.Process(target=work, args=(theirs, *arguments, gpu), daemon=True)
        try:
            with starting():
                self._start()
        except (OSError, EOFError) as error:
            raise FatalError(f"no worker process can be started: {type(error).__name__}: {error}") from error
        finally:
            theirs.close()

    def _start(self) -> None:
        """A fork server that was killed a moment ago refuses until the system has it as dead, and there is another."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.process.start()
            except (ConnectionError, EOFError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def submit(self, spec: TrialSpec) -> None:
        self.spec, self._end_by, self._end_asked, self._progress = spec, math.inf, None, []
        self._heard = time.monotonic()
        self._begin, self._kernel_kills = time.perf_counter(), kernel_kills()
        self.say(Message.RUN, spec.model_dump_json())

    def stop(self, end: EndReason, reason: str) -> None:
        if self._end_asked is None:
            patience = SAVING_SECONDS if end is EndReason.INTERRUPTED else PATIENCE_SECONDS
            self._heard = time.monotonic()
            self._end_asked, self._end_by = (end, reason), self._heard + patience
            self.say(Message.STOP, f"{end}:{reason}")
            if self.process.is_alive() and self.process.pid is not None:
                with contextlib.suppress(ProcessLookupError):  # it ended this moment
                    os.kill(self.process.pid, signal.SIGCONT)  # somebody may have stopped it: it is to hear this

    def say(self, message: Message, content: str = "") -> None:
        with contextlib.suppress(EOFError):  # that it died is noticed when it is listened to
            send(self.connection, message, content)

    @property
    def answer_by(self) -> float:
        """When it is killed if nothing was heard of it; sooner, and whatever was heard, if it was asked to end."""
        silence = self._hang_seconds if self._end_asked is None else min(self._hang_seconds, PATIENCE_SECONDS)
        return min(self._end_by, self._heard + silence)

    def is_overdue(self) -> bool:
        return time.monotonic() >= self.answer_by

    def was_not_looked_at(self) -> None:
        """It may have been silent because it was stopped, and gets its time once more."""
        self._heard = time.monotonic()
        self._end_by = max(self._end_by, self._heard + PATIENCE_SECONDS)

    def hear(self) -> Event | None:
        """Returns what the worker says, or None if that is no news.

        Raises:
            FatalError: the worker says so.
            EOFError: the worker died, or is overdue.
        """
        if not self.connection.poll():
            raise EOFError
        message, content = receive(self.connection)
        self._heard = time.monotonic()
        if message is Message.BEAT:
            return None
        if message is Message.FATAL:
            raise FatalError(content)
        if message in (Message.RESULT, Message.LAST_RESULT):
            self.spec, self.has_left = None, message is Message.LAST_RESULT
            return TrialResult.model_validate_json(content)
        progress = Progress.model_validate_json(content)
        self._progress.append(progress)
        return progress if self._end_asked is None else None

    def lost(self) -> TrialResult:
        """Returns the result of the trial whose worker died, or does not answer and is killed now."""
        assert self.spec is not None
        if hangs := self.is_overdue():
            self.process.kill()
        self.process.join(PATIENCE_SECONDS)
        how = _how_it_died(self.process.exitcode)
        if self._end_asked is not None:
            end, reason = self._end_asked
            what = "did not answer and was killed" if hangs else f"died ({how})"
            reason = f"{reason or end.sentence}; its worker process {what}"
        elif hangs:
            end, silence = EndReason.WORKER_LOST, f"no sign of life for {self._hang_seconds:g} s"
            reason = f"its worker process showed {silence} (execution.hang_seconds) and was killed"
        elif self.process.exitcode == -signal.SIGKILL and kernel_kills() > self._kernel_kills:
            end = EndReason.OUT_OF_MEMORY
            reason = f"probably out of memory: the kernel killed its worker process ({how})"
        else:
            end, reason = EndReason.WORKER_LOST, f"{EndReason.WORKER_LOST.sentence} ({how})"
        result = result_so_far(self.spec, self._progress, end, reason, time.perf_counter() - self._begin)
        return result.model_copy(update={"details": {"killed": True}})

    def leave(self) -> None:
        """Closes the connection, on which an idle worker ends. Idempotent."""
        self.connection.close()

    def end(self, deadline: float) -> None:
        """Ends the process: an idle one by itself until a moment of the monotonic clock, a busy one at once."""
        with contextlib.suppress(ValueError):  # it is closed, or, though killed, waits for a disk
            if self.spec is None:
                self.process.join(max(0.0, deadline - time.monotonic()))
            self.process.kill()
            self.process.join(PATIENCE_SECONDS)
            self.process.close()


@register("executor", "processes")
class ProcessesConfig(ExecutorConfig):
    """Trials run side by side in worker processes of this machine."""

    workers: int | None = Field(
        None, ge=1, description="trials at once at most; null: as many as the GPUs, or else the processor cores, allow"
    )
    trials_per_device: int = Field(
        1, ge=1, description="trials at once on one GPU; small models leave room for several"
    )

    hang_seconds: float | None = Field(
        HANG_SECONDS,
        gt=0,
        description="a worker process without a sign of life for this long (stopped, or in C code that keeps Python's"
        " lock) is killed, and its trial tried again; null: no limit",
    )

    def build(self, evaluate: Evaluate) -> ProcessesExecutor:
        if self.memory_bytes_per_worker is not None:
            DataLimit.check()
        gpus = self.gpus()
        if gpus:
            room = len(gpus) * self.trials_per_device
            workers = min(self.workers or room, room)
        else:
            workers = self.workers or max(1, _num_cores() // self.threads_per_trial)
        return ProcessesExecutor(
            evaluate, workers, self.threads_per_trial, self.memory_bytes_per_worker, gpus, self.hang_seconds
        )


def _num_cores() -> int:
    """Returns the cores this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _how_it_died(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # one of the real-time signals
        return f"signal {-code}"
    return f"{name}; often the system kills for lack of memory" if name == "SIGKILL" else name
