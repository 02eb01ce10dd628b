"""The loop: ask, submit, wait, report, tell. It knows no data, no model and no file format."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from textune.errors import FatalError, TextuneError
from textune.execution.attempt import result_so_far
from textune.execution.base import Executor
from textune.records import EndReason, Progress, StudyRecord, TrialResult, TrialSpec
from textune.search.base import Params, Pruner, Sampler
from textune.seeds import derive
from textune.space import same_text
from textune.tracking.base import Event, StudyStart, Tracker
from textune.tracking.log import EndState, EventLog, StudyHistory

__all__ = ["Resolve", "Search", "search"]

Resolve = Callable[[Params], tuple[dict[str, Any], str]]
"""Returns the resolved config of params as JSON values, and a key that is equal for equal configs.
Raises TextuneError or ValueError for params that make no valid config: a failed trial."""

_log = logging.getLogger("textune")


@dataclass(frozen=True)
class Search:
    """What a search is made of.

    Attributes:
        start: name, objective and limits; what trackers are told first.
        resolve: params to config.
        base: trial 0 is the study as written, shown with these params; None: there is no such trial.
        seed: the study's.
        folder_of: (trial, attempt) to the attempt folder; None: trials leave no files.
        log: None: nothing is written.
    """

    start: StudyStart
    resolve: Resolve
    sampler: Sampler
    pruner: Pruner
    executor: Executor
    base: Params | None = None
    seed: int = 0
    stage: int = 0
    folder_of: Callable[[int, int], str] | None = None
    log: EventLog | None = None
    trackers: Sequence[Tracker] = ()
    clock: Callable[[], float] = time.monotonic


def search(parts: Search) -> StudyRecord:
    """Searches until the trials are used up, the time is over or the space is exhausted, and returns what happened.

    A failed trial is one more row. Ctrl-C, SIGTERM and a FatalError end the search early; the record says so and keeps
    all that was measured. The executor is closed in any case.
    """
    executor, pruner = parts.executor, parts.pruner
    witnesses, proposals = _Witnesses(parts), _Proposals(parts)
    running: dict[int, TrialSpec] = {}
    state: EndState = "done"
    try:
        witnesses.start()
        with _sigterm_as_interrupt():
            while True:
                while len(running) < executor.slots and (spec := proposals.next()) is not None:
                    witnesses.tell(spec)
                    if spec.number in proposals.refused:
                        witnesses.tell(result_so_far(spec, (), EndReason.CRASHED, proposals.refused[spec.number], 0.0))
                        continue
                    running[spec.number] = spec
                    executor.submit(spec)
                if not running:
                    break
                for event in executor.wait():
                    if event.trial not in running or event.attempt != running[event.trial].attempt:
                        witnesses.num_late += 1
                        continue
                    witnesses.tell(event)
                    if isinstance(event, TrialResult):
                        del running[event.trial]
                    elif pruner.should_prune(event) and proposals.may_be_pruned(event):
                        executor.stop(event.trial, EndReason.PRUNED, f"behind other trials at epoch {event.epoch}")
                    else:
                        executor.proceed(event.trial)
        reason = proposals.over
    except KeyboardInterrupt:
        trials = "1 trial" if len(running) == 1 else f"{len(running)} trials"
        state, reason = "interrupted", f"it was asked to stop while {trials} ran"
    except FatalError as error:
        state, reason = "failed", str(error)
    finally:
        executor.close()
    return witnesses.finish(state, reason)


class _Point(NamedTuple):
    config: dict[str, Any]
    key: str
    refusal: str | None = None


class _Proposals:
    """The next trial to start, as long as there is one.

    Attributes:
        over: why there is none any more.
        refused: trial → why its params make no valid config.
    """

    def __init__(self, parts: Search) -> None:
        self._parts = parts
        self._seed = derive(parts.seed, "trial")  # the same for all trials, so that they are comparable
        self._deadline = parts.clock() + (parts.start.timeout_seconds or float("inf"))
        self._count = 0
        self._keys: set[str] = set()
        self._last: tuple[Params, _Point] | None = None
        self.over = ""
        self.refused: dict[int, str] = {}

    def next(self) -> TrialSpec | None:
        parts, number = self._parts, self._count
        if self.over:
            return None
        if number == parts.start.trials:
            self.over = f"all {number} trials were run"
        elif parts.clock() >= self._deadline:
            self.over = f"the time allowed, {parts.start.timeout_seconds:g} s, was used up"
        elif self._is_base(number):
            return self._spec(parts.base or {}, self._resolve({}))
        elif (params := parts.sampler.ask(number, self._is_new)) is not None:
            return self._spec(params, self._resolve(params))
        else:
            self.over = f"the search space is exhausted: there are no more than {number} different trials"
        return None

    def may_be_pruned(self, progress: Progress) -> bool:
        """Not the base point, with which the best is compared; nor in the last epoch, where that saves nothing."""
        return not self._is_base(progress.trial) and progress.epoch < progress.epochs

    def _is_base(self, number: int) -> bool:
        return number == 0 and self._parts.base is not None

    def _spec(self, params: Params, point: _Point) -> TrialSpec:
        number, folder_of = self._count, self._parts.folder_of
        self._count += 1
        self._keys.add(point.key)
        if point.refusal is not None:
            self.refused[number] = point.refusal
        return TrialSpec(
            number=number,
            stage=self._parts.stage,
            params=dict(params),
            config=point.config,
            objective=self._parts.start.objective,
            seed=self._seed,
            folder=folder_of(number, 1) if folder_of is not None else None,
        )

    def _is_new(self, params: Params) -> bool:
        return self._resolve(params).key not in self._keys

    def _resolve(self, params: Params) -> _Point:
        if self._last is None or self._last[0] != params:
            self._last = (params, self._point(params))
        return self._last[1]

    def _point(self, params: Params) -> _Point:
        try:
            return _Point(*self._parts.resolve(params))
        except (TextuneError, ValueError) as error:
            return _Point({}, f"no config {same_text(params)}", " ".join(str(error).split()))


class _Witnesses:
    """All that are told what happens: the log first, then the history, sampler, pruner and trackers."""

    def __init__(self, parts: Search) -> None:
        self._parts = parts
        self._history = StudyHistory(parts.start)
        self._begin = parts.clock()
        self._started: dict[int, float] = {}
        self._failed: set[Tracker] = set()
        self.num_late = 0

    def start(self) -> None:
        if self._parts.log is not None:
            self._parts.log.start(self._parts.start)
        self._to_trackers(lambda tracker: tracker.start(self._parts.start))

    def tell(self, event: Event) -> None:
        if self._parts.log is not None:
            self._parts.log.record(event)
        self._history.add(event)
        self._parts.sampler.tell(event)
        if isinstance(event, TrialSpec):
            self._started[event.number] = self._parts.clock()
        if not isinstance(event, Progress):
            self._parts.pruner.tell(event)
        self._to_trackers(lambda tracker: tracker.record(event))

    def finish(self, state: EndState, reason: str) -> StudyRecord:
        """Ends what still runs as interrupted, and the study. A log that cannot be written is told in `reason`."""
        now = self._parts.clock()
        if self.num_late:
            _log.warning("%d events of older attempts came too late and were dropped", self.num_late)
        with contextlib.suppress(FatalError):
            for trial in self._history.unfinished():
                seconds = now - self._started.get(trial.spec.number, now)
                self.tell(result_so_far(trial.spec, trial.progress, EndReason.INTERRUPTED, "", seconds))
        self._history.end(state, reason, now - self._begin)
        with contextlib.suppress(FatalError):
            if self._parts.log is not None:
                self._parts.log.finish(state, reason, now - self._begin)
        record = self._history.record()
        self._to_trackers(lambda tracker: tracker.finish(record))
        return record

    def _to_trackers(self, tell: Callable[[Tracker], None]) -> None:
        for tracker in self._parts.trackers:
            try:
                tell(tracker)
            except Exception as error:
                if tracker not in self._failed:
                    self._failed.add(tracker)
                    name = type(tracker).__name__
                    _log.warning("%s failed, the study goes on: %s: %s", name, type(error).__name__, error)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Ends a study that is asked to terminate as Ctrl-C does; only the main thread may change signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
