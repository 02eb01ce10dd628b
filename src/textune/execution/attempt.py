"""One attempt at a trial, driven step by step, whatever happens inside it."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Generator, Sequence
from pathlib import Path

from textune.errors import DivergedError, FatalError, InterruptedTrial, TextuneError
from textune.execution.base import Evaluate, Event
from textune.execution.process_memory import DataLimit
from textune.memory import is_exhausted
from textune.records import EndReason, Progress, TrialResult, TrialSpec
from textune.storage import is_disk_full, redact

__all__ = ["LOG_NAME", "Attempt", "result_so_far"]

LOG_NAME = "log.txt"
"""What a trial printed, and the traceback if it crashed; in its attempt folder."""


class Attempt:
    """Drives the generator of one trial and turns however it ends into a TrialResult. Only a FatalError gets out."""

    def __init__(
        self, evaluate: Evaluate, spec: TrialSpec, memory_bytes: int | None = None, *, on_gpu: bool = False
    ) -> None:
        self.spec, self._on_gpu = spec, on_gpu
        self._progress: list[Progress] = []
        self._start = time.perf_counter()
        self._evaluate = evaluate
        self._generator: Generator[Progress | None, None, TrialResult] | None = None
        self._limit = DataLimit(memory_bytes)

    def step(self) -> Event | None:
        """Runs to the next measurement, to a moment in which the trial can be stopped (None), or to its end."""
        try:
            with self._limit.held():
                if self._generator is None:
                    self._generator = self._evaluate(self.spec)
                progress = next(self._generator)
        except StopIteration as stop:
            return self._checked(stop.value)
        except FatalError:
            raise
        except (Exception, SystemExit) as error:
            if is_disk_full(error):
                raise FatalError(f"trial {self.spec.number} cannot write its files: the disk is full") from error
            _write_traceback(self.spec)
            return self._result(*_end_of(error))
        if progress is not None:
            self._progress.append(progress)
        return progress

    def stop(self, end: EndReason, reason: str) -> TrialResult:
        """Ends the trial; one that is interrupted may leave a checkpoint first."""
        if end is EndReason.INTERRUPTED and self._generator is not None:
            try:
                self._generator.throw(InterruptedTrial())
            except (InterruptedTrial, StopIteration):
                pass
            except (Exception, SystemExit) as error:
                _write_traceback(self.spec)
                reason = f"{reason or end.sentence}; it could not be saved: {_end_of(error)[1]}"
        self.close()
        return self._result(end, reason)

    def close(self) -> None:
        """Closes the generator, so that its `finally` blocks run. Idempotent."""
        try:
            if self._generator is not None:
                self._generator.close()
        except (Exception, SystemExit):  # the trial is over; what its clean-up says stands in its log
            _write_traceback(self.spec)

    def _checked(self, result: object) -> TrialResult:
        if isinstance(result, TrialResult):
            return result
        return self._result(EndReason.CRASHED, f"the objective returned {result!r} in place of a TrialResult")

    def _result(self, end: EndReason, reason: str) -> TrialResult:
        result = result_so_far(self.spec, self._progress, end, reason, time.perf_counter() - self._start)
        if self._on_gpu and end is EndReason.OUT_OF_MEMORY:
            return result.model_copy(update={"details": {"on_gpu": True}})
        return result


def result_so_far(
    spec: TrialSpec, progress: Sequence[Progress], end: EndReason, reason: str, seconds: float
) -> TrialResult:
    """Returns the result of a trial that did not come to its own end: its best measurement so far, if there is any."""
    best: Progress | None = None
    for each in progress:
        if best is None or spec.objective.better(each.value, best.value):
            best = each
    return TrialResult(
        trial=spec.number,
        attempt=spec.attempt,
        end=end,
        reason=reason if reason.startswith(end.value) else f"{end.value}: {reason or end.sentence}",
        value=best.value if best else None,
        metrics=best.metrics if best else {},
        best_epoch=best.epoch if best else None,
        epochs=len(progress),
        seconds=seconds,
        seconds_per_epoch=seconds / len(progress) if progress else None,
        folder=spec.folder,
    )


def _end_of(error: BaseException) -> tuple[EndReason, str]:
    text = " ".join(str(error).split()).encode(errors="backslashreplace").decode()  # a log cannot hold half characters
    text = redact(text)[:500]
    if isinstance(error, DivergedError):
        return EndReason.DIVERGED, text
    if is_exhausted(error):
        return EndReason.OUT_OF_MEMORY, text
    if isinstance(error, TextuneError):
        return EndReason.CRASHED, text
    place = traceback.extract_tb(error.__traceback__)[-1]
    return EndReason.CRASHED, f"{type(error).__name__}: {text} ({Path(place.filename).name}:{place.lineno})"


def _write_traceback(spec: TrialSpec) -> None:
    if spec.folder is None:
        return
    with contextlib.suppress(OSError):  # the reason is told anyway
        folder = Path(spec.folder)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOG_NAME).open("a", encoding="utf-8") as log:
            log.write(redact(traceback.format_exc()))
