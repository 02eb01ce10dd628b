"""The loop: ask, submit, wait, report, tell. It knows no data, no model and no file format."""

from __future__ import annotations

import logging
from collections import Counter, deque

from textune.errors import FatalError, RunFolderError
from textune.execution.attempt import result_so_far
from textune.records import EndReason, Progress, StudyRecord, TrialRecord, TrialResult, TrialSpec, TrialState
from textune.space import same_text
from textune.study.learners import LaggedLearners, Learners, NoLearners, PromptLearners
from textune.study.parts import Phase, Plan, Search
from textune.study.proposals import Proposals
from textune.study.signals import StopSignals
from textune.study.witnesses import Witnesses
from textune.tracking.log import EndState

__all__ = ["ASKED_TO_STOP", "close", "run_plan", "search"]

_log = logging.getLogger("textune")

ASKED_TO_STOP = "it was asked to stop"

LOOK_SECONDS = 0.2
"""How often the loop looks at the clock and at signals while nothing happens."""


def search(parts: Search) -> StudyRecord:
    """Searches until the trials are used up, the time is over or the space is exhausted, and returns what happened.

    A failed trial is one more row. The first Ctrl-C or SIGTERM stops asking and lets running trials leave a checkpoint,
    the second stops at once; either, and a FatalError, end the search early: the record says so and keeps all that was
    measured. Where the phase closes its study, or ends early, the executor is closed.

    Raises:
        RunFolderError: what the log of earlier sessions tells does not follow from the study; nothing was changed.
    """
    if parts.before.ended is not None and parts.before.ended[1] == parts.limits and not parts.closes:
        return _told_again(parts, parts.before.ended[0])
    learners: Learners = (
        PromptLearners(parts.sampler, parts.new_pruner(), parts.first)
        if parts.lag is None
        else LaggedLearners(parts.sampler, parts.new_pruner, parts.lag, parts.first)
    )
    return _Loop(parts, Proposals(parts, learners), learners).run()


def run_plan(parts: Phase, plan: Plan) -> StudyRecord:
    """Runs what a plan proposes until it is over, as `search` does."""
    return _Loop(parts, plan, NoLearners()).run()


def close(parts: Phase, record: StudyRecord) -> None:
    """Ends a study whose phases did not close it: the log and the trackers are told."""
    Witnesses(parts).close(record)
    parts.executor.close()


def _told_again(parts: Search, reason: str) -> StudyRecord:
    """A search that has ended is not asked again: what follows it needs its trials alone."""
    witnesses = Witnesses(parts)
    witnesses.start()
    return witnesses.finish("done", reason)


class _Loop:
    """A phase under way.

    Attributes:
        ready: trials that were told of and wait for a slot.
        running: trials in the executor.
        repeats: running trial → trials of the same point, which wait for its result; in logs of earlier versions.
        measured: (trial, fold, epoch) of every measurement told.
        behind: trials that the log leaves at a measurement which the pruner stops them at.
    """

    def __init__(self, parts: Phase, plan: Plan, learners: Learners) -> None:
        self.parts, self.plan, self.learners = parts, plan, learners
        self.executor = parts.executor
        self.witnesses = Witnesses(parts)
        self.ready: deque[TrialSpec] = deque()
        self.running: dict[int, TrialSpec] = {}
        self.repeats: dict[int, list[TrialSpec]] = {}
        self.measured: set[tuple[int, int, int]] = set()
        self.behind: dict[int, Progress] = {}
        self.num_lost: Counter[int] = Counter()

    def run(self) -> StudyRecord:
        state: EndState = "done"
        try:
            open_trials = self._replay()
            self.witnesses.start()
            with self.parts.stop as stop:
                if not stop.requested:
                    self._take_up(open_trials)
                self._search(stop)
            reason = self.plan.over
            if not reason or self.witnesses.unfinished() or stop.requested:
                state, reason = "interrupted", ASKED_TO_STOP
        except KeyboardInterrupt:
            state, reason = "interrupted", "it was asked to stop at once"
        except FatalError as error:
            state, reason = "failed", str(error)
        finally:
            if self.parts.closes or state != "done":
                self.executor.close()
        return self.witnesses.finish(state, reason)

    def _search(self, stop: StopSignals) -> None:
        asked_to_end = False
        while True:
            if stop.requested and not asked_to_end:
                asked_to_end = True
                self._interrupt()
            if not asked_to_end:
                self._fill()
            if not self.running:
                return
            for event in self.executor.wait(LOOK_SECONDS):
                self._hear(event, asked_to_end=asked_to_end)
            if not asked_to_end:
                self._end_overdue()

    def _interrupt(self) -> None:
        _log.warning("stopping: what runs is saved, to go on later; the same signal again stops at once")
        self.ready.clear()  # the log has them as started: they are taken up when the study goes on
        for trial in list(self.running):
            self.executor.stop(trial, EndReason.INTERRUPTED, "")

    def _fill(self) -> None:
        while len(self.running) < self.executor.slots:
            if self.ready:
                spec = self.ready.popleft()
                self.running[spec.number] = spec
                self.witnesses.submitted(spec.number)
                self.executor.submit(spec)
            elif (proposed := self.plan.next()) is not None:
                self._begin(proposed)
            else:
                return

    def _begin(self, spec: TrialSpec) -> None:
        """A trial starts: it is run, or answered from what is known of its point."""
        self.witnesses.tell(spec)
        self.learners.tell(spec)
        self._place(spec)

    def _place(self, spec: TrialSpec) -> None:
        number, original = spec.number, spec.repeat_of
        result = None if original is None else self.witnesses.result(original)
        known = None if self.parts.known is None else self.parts.known.find(spec)
        if number in self.plan.refused:
            refusal = self.plan.refused[number]
            self._finish(spec, result_so_far(spec, (), EndReason.CRASHED, refusal, 0.0))
        elif original is not None and result is None:
            self.repeats.setdefault(original, []).append(spec)
        elif original is not None and result is not None and _is_measured(result):
            self._answer(spec, TrialRecord(spec=spec, progress=tuple(self.witnesses.progress(original)), result=result))
        elif known is not None:
            self._answer(spec, known)
        else:
            self.ready.append(spec)

    def _hear(self, event: Progress | TrialResult, *, asked_to_end: bool) -> None:
        spec = self.running.get(event.trial)
        if spec is None or spec.attempt != event.attempt:
            self.witnesses.num_late += 1
        elif isinstance(event, TrialResult):
            del self.running[event.trial]
            self._end(spec, event)
        elif asked_to_end:
            self._measure(event)
        elif self._measure(event):
            self.executor.stop(event.trial, EndReason.PRUNED, _behind(event))
        else:
            self.executor.proceed(event.trial)

    def _measure(self, progress: Progress) -> bool:
        """Tells a measurement, unless an earlier attempt came to it; returns whether to stop the trial."""
        place = (progress.trial, progress.fold, progress.epoch)
        if place in self.measured:
            return False
        self.measured.add(place)
        self.witnesses.tell(progress)
        return self._is_behind(progress)

    def _is_behind(self, progress: Progress) -> bool:
        """Not the base point, with which the best is compared; nor in the last epoch, where that saves nothing."""
        behind = self.learners.measure(progress)
        return behind and not self.parts.is_base(progress.trial) and progress.epoch < progress.epochs

    def _end(self, spec: TrialSpec, result: TrialResult) -> None:
        """An attempt has ended; with it the trial, unless it was interrupted or deserves another attempt."""
        if spec.attempt > 1 and result.state is not TrialState.COMPLETE:
            progress = self.witnesses.progress(spec.number)
            whole = result_so_far(spec, progress, result.end, result.reason, result.seconds)
            result = whole.model_copy(update={"details": result.details})
        if result.end is EndReason.INTERRUPTED:
            self.witnesses.tell(result.model_copy(update={"final": False}))
        elif result.deserves_retry and self.num_lost[spec.number] < self.parts.max_retries:
            self.num_lost[spec.number] += 1
            self.witnesses.tell(result.model_copy(update={"final": False}))
            self._try_again(spec, halve=result.end is EndReason.OUT_OF_MEMORY)
        else:
            self._finish(spec, result)

    def _try_again(self, spec: TrialSpec, *, halve: bool = False) -> None:
        """Another attempt goes on from the last checkpoint."""
        number, attempt = spec.number, spec.attempt + 1
        folder = self.parts.folder
        checkpoint = None if folder is None else folder.last_checkpoint(number, spec.attempt)
        update = {
            "attempt": attempt,
            "folder": self.parts.folder_of(number, attempt),
            "checkpoint": None if checkpoint is None else str(checkpoint),
            "halvings": spec.halvings + halve,
        }
        again = spec.model_copy(update=update)
        self.witnesses.tell(again)
        self.ready.append(again)

    def _finish(self, spec: TrialSpec, result: TrialResult) -> None:
        """A trial has ended for good; those that wait for its result get it, or are run themselves."""
        self.witnesses.tell(result)
        self.learners.tell(result)
        self.plan.ended(result)
        if self.parts.folder is not None:
            self.parts.folder.drop_leftovers(spec.number, spec.attempt)
        if self.parts.known is not None and result.state is TrialState.COMPLETE and spec.repeat_of is None:
            progress = tuple(self.witnesses.progress(spec.number))
            self.parts.known.keep(TrialRecord(spec=spec, progress=progress, result=result))
        for waiting in self.repeats.pop(spec.number, ()):
            self._place(waiting)

    def _answer(self, spec: TrialSpec, known: TrialRecord) -> None:
        """Tells a trial as it went when it was run, so that the pruner may stop it where it stands now."""
        assert known.result is not None
        update = {"trial": spec.number, "attempt": spec.attempt}
        for progress in known.progress:
            if self._measure(progress.model_copy(update=update)) and known.result.state is TrialState.COMPLETE:
                measured = self.witnesses.progress(spec.number)
                self._finish(spec, result_so_far(spec, measured, EndReason.PRUNED, _behind(progress), 0.0))
                return
        source = f"trial {spec.repeat_of}" if spec.repeat_of is not None else "an earlier search"
        reason = f"{known.result.end.value}: reused, {source} measured the same point"
        self._finish(spec, known.result.model_copy(update={**update, "reason": reason, "seconds": 0.0}))

    def _end_overdue(self) -> None:
        limit = self.parts.trial_timeout_seconds
        if limit is None:
            return
        for trial in list(self.running):
            if self.witnesses.seconds(trial) > limit:
                self.executor.stop(trial, EndReason.TIMED_OUT, f"it took more than {limit:g} s")

    def _replay(self) -> dict[int, TrialSpec]:
        """Asks and tells again what the log says; returns the trials that had not ended."""
        open_trials: dict[int, TrialSpec] = {}
        for event in self.parts.before.events:
            if isinstance(event, TrialSpec):
                if event.attempt == 1:
                    self._check(event)
                    self.learners.tell(event)
                open_trials[event.number] = event
            elif isinstance(event, Progress):
                self.measured.add((event.trial, event.fold, event.epoch))
                if self._is_behind(event):
                    self.behind[event.trial] = event
            elif event.final:
                self.learners.tell(event)
                self.plan.ended(event)
                del open_trials[event.trial]
            elif event.deserves_retry:
                self.num_lost[event.trial] += 1
        return open_trials

    def _check(self, logged: TrialSpec) -> None:
        proposed = self.plan.propose()
        given = None if proposed is None else (proposed.number, same_text(proposed.params))
        if given != (logged.number, same_text(logged.params)):
            raise RunFolderError(
                f"the log has trial {logged.number} with {same_text(logged.params)}, where the sampler now proposes "
                f"{'nothing' if proposed is None else same_text(proposed.params)}: it, or a library it uses, was "
                "changed since; start anew with --fresh, or go back to the versions named in study.json"
            )

    def _take_up(self, open_trials: dict[int, TrialSpec]) -> None:
        """Goes on with the trials that had not ended."""
        for number, spec in sorted(open_trials.items()):
            if number in self.behind:
                progress = self.witnesses.progress(number)
                reason = _behind(self.behind[number])
                self._finish(spec, result_so_far(spec, progress, EndReason.PRUNED, reason, 0.0))
            elif number in self.plan.refused or self._may_be_answered(spec):
                self._place(spec)
            else:
                self._try_again(spec)

    def _may_be_answered(self, spec: TrialSpec) -> bool:
        if spec.repeat_of is None:
            return False
        result = self.witnesses.result(spec.repeat_of)
        return result is None or _is_measured(result)


def _is_measured(result: TrialResult) -> bool:
    """Whether another trial of the same point would end in the same way."""
    return result.state in (TrialState.COMPLETE, TrialState.PRUNED) or result.end is EndReason.DIVERGED


def _behind(progress: Progress) -> str:
    return f"behind other trials at epoch {progress.epoch}"
