"""What a search is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from textune.execution.base import Executor
from textune.records import TrialRecord, TrialSpec
from textune.run_folder import RunFolder
from textune.search.base import Params, Pruner, Sampler
from textune.tracking.base import StudyStart, Tracker
from textune.tracking.log import EventLog, Past

__all__ = ["KnownResults", "Resolve", "Search"]

Resolve = Callable[[Params], tuple[dict[str, Any], str]]
"""Returns the resolved config of params as JSON values, and a key that is equal for equal configs.
Raises TextuneError or ValueError for params that make no valid config: a failed trial."""


class KnownResults(Protocol):
    """What other studies measured under equal conditions."""

    def find(self, spec: TrialSpec) -> TrialRecord | None:
        """Returns a complete trial of an earlier study that stands for `spec`, told with the trial's own number."""

    def keep(self, trial: TrialRecord) -> None:
        """Remembers a complete trial for later studies."""


@dataclass(frozen=True)
class Search:
    """What a search is made of.

    Attributes:
        start: name, objective and limits; what trackers are told first.
        resolve: params to config.
        new_pruner: returns a pruner that was told nothing.
        base: trial 0 is the study as written, shown with these params; None: there is no such trial.
        seed: the study's.
        folder: None: trials leave no files.
        log: None: nothing is written.
        past: what earlier sessions of this study left in the log; None: it begins.
        max_retries: how often a trial is tried again after its worker died.
        trial_timeout_seconds: how long a trial may take.
        lag: trial n is asked and pruned seeing exactly the ended trials below n - lag; None: all there are.
        known: what other studies measured.
    """

    start: StudyStart
    resolve: Resolve
    sampler: Sampler
    new_pruner: Callable[[], Pruner]
    executor: Executor
    base: Params | None = None
    seed: int = 0
    stage: int = 0
    folder: RunFolder | None = None
    log: EventLog | None = None
    past: Past | None = None
    trackers: Sequence[Tracker] = ()
    max_retries: int = 0
    trial_timeout_seconds: float | None = None
    lag: int | None = None
    known: KnownResults | None = None
    clock: Callable[[], float] = time.monotonic

    def is_base(self, number: int) -> bool:
        return number == 0 and self.base is not None

    def folder_of(self, number: int, attempt: int) -> str | None:
        return None if self.folder is None else str(self.folder.attempt(number, attempt))
