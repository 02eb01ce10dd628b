"""What a search is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from textune.execution.base import Executor
from textune.records import Fidelity, TrialRecord, TrialResult, TrialSpec
from textune.run_folder import RunFolder
from textune.search.base import Params, Pruner, Sampler
from textune.space import Space
from textune.study.signals import StopSignals
from textune.tracking.base import StudyStart, Tracker
from textune.tracking.log import SEARCH, EventLog, Limits, Past, PastPhase

__all__ = ["KnownResults", "Phase", "Plan", "Resolve", "Search"]

Resolve = Callable[[Params], tuple[dict[str, Any], str]]
"""Returns the resolved config of params as JSON values, and a key that is equal for equal configs.
Raises TextuneError or ValueError for params that make no valid config: a failed trial."""


class KnownResults(Protocol):
    """What other studies measured under equal conditions."""

    def find(self, spec: TrialSpec) -> TrialRecord | None:
        """Returns a complete trial of an earlier study that stands for `spec`, told with the trial's own number."""

    def keep(self, trial: TrialRecord) -> None:
        """Remembers a complete trial for later studies."""


class Plan(Protocol):
    """What a phase tries next.

    Attributes:
        over: why there is nothing more.
        refused: trial → why its params make no valid config.
    """

    over: str
    refused: dict[int, str]

    def next(self) -> TrialSpec | None:
        """Returns the next trial; None if none may start, now or at all (then `over` says why)."""

    def propose(self) -> TrialSpec | None:
        """Returns the next trial whatever the limits say; None if there is none."""

    def ended(self, result: TrialResult) -> None:
        """Told how each trial ended, in the order in which they did."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a study: trials that are started, awaited and told.

    Attributes:
        start: name, objective and limits; what trackers are told first.
        name: of the phase, in the log.
        opens, closes: whether it is the first, the last that its trackers are told of.
        own_limits: trials, and seconds, that it may take; None: those of the study.
        folder: None: trials leave no files.
        log: None: nothing is written.
        past: what earlier sessions of this study left in the log; None: it begins.
        max_retries: how often a trial is tried again after its worker died.
        trial_timeout_seconds: how long a trial may take.
        known: what other studies measured.
        stop: how it is asked to stop; that of the whole study, where it is a part of one.
    """

    start: StudyStart
    executor: Executor
    name: str = SEARCH
    opens: bool = True
    closes: bool = True
    own_limits: Limits | None = None
    seed: int = 0
    folder: RunFolder | None = None
    log: EventLog | None = None
    past: Past | None = None
    trackers: Sequence[Tracker] = ()
    max_retries: int = 0
    trial_timeout_seconds: float | None = None
    known: KnownResults | None = None
    stop: StopSignals = field(default_factory=StopSignals)
    clock: Callable[[], float] = time.monotonic

    @property
    def before(self) -> PastPhase:
        """What earlier sessions left of this phase."""
        return PastPhase() if self.past is None else self.past.phase(self.name)

    @property
    def limits(self) -> Limits:
        return self.own_limits or (self.start.trials, self.start.timeout_seconds)

    def is_base(self, number: int) -> bool:  # noqa: ARG002 - only a search has one
        return False

    def folder_of(self, number: int, attempt: int) -> str | None:
        return None if self.folder is None else str(self.folder.attempt(number, attempt))


@dataclass(frozen=True, kw_only=True)
class Search(Phase):
    """What a search is made of.

    Attributes:
        resolve: params to config.
        space: what may vary.
        new_pruner: returns a pruner that was told nothing.
        base: the first trial is the study as written, shown with these params; None: there is no such trial.
        seed: the study's.
        stage: which search of its study it is.
        inherited: the params that earlier searches of the study chose.
        first: number of its first trial.
        fidelity: of its trials.
        aside: whether a part of the train rows is kept for the confirmation.
        lag: trial n is asked and pruned seeing exactly the ended trials below n - lag; None: all there are.
    """

    resolve: Resolve
    space: Space
    sampler: Sampler
    new_pruner: Callable[[], Pruner]
    base: Params | None = None
    stage: int = 0
    inherited: Params = field(default_factory=dict)
    first: int = 0
    fidelity: Fidelity = field(default_factory=Fidelity)
    aside: bool = False
    lag: int | None = None

    def is_base(self, number: int) -> bool:
        return number == self.first and self.base is not None
