"""The values that cross borders: plain, frozen, JSON round trip, no tensors.

StudyConfig (in `config`) is the fifth. A coordinator and a worker exchange nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from textune.json_records import Confirmation, Details, Header, TestReading

__all__ = [
    "Direction",
    "EndReason",
    "Fidelity",
    "Objective",
    "Progress",
    "Record",
    "Repeat",
    "StudyRecord",
    "StudyStart",
    "TrialRecord",
    "TrialResult",
    "TrialSpec",
    "TrialState",
]

Params = Mapping[str, Any]
Direction = Literal["maximize", "minimize"]


class Record(BaseModel):
    """Base of every record. NaN and infinities travel as the strings "NaN", "Infinity", "-Infinity"."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Leaves out what has its default, and shows of other records only how many there are."""
        for name, value in super().__repr_args__():
            field = type(self).model_fields.get(name or "")
            if field is not None and value == field.get_default(call_default_factory=True):
                continue
            yield name, _Several(value) if isinstance(value, tuple) and isinstance(value[0], Record) else value


class _Several:
    def __init__(self, records: tuple[Record, ...]) -> None:
        self._text = f"<{len(records)} × {type(records[0]).__name__}>"

    def __repr__(self) -> str:
        return self._text


class TrialState(StrEnum):
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class EndReason(StrEnum):
    """Why a trial ended. The value is the word a table shows; `sentence` says what it means."""

    FINISHED = "finished"
    EARLY_STOPPED = "early-stopped"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out-of-memory"
    TIMED_OUT = "timed-out"
    CRASHED = "crashed"
    WORKER_LOST = "worker-lost"
    INTERRUPTED = "interrupted"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]

    @cached_property
    def state(self) -> TrialState:
        if self in (EndReason.FINISHED, EndReason.EARLY_STOPPED):
            return TrialState.COMPLETE
        return TrialState.PRUNED if self is EndReason.PRUNED else TrialState.FAILED


_SENTENCES = {
    EndReason.FINISHED: "all epochs were trained",
    EndReason.EARLY_STOPPED: "the metric stopped improving",
    EndReason.PRUNED: "the pruner stopped it: it was behind other trials at the same epoch",
    EndReason.DIVERGED: "the loss or the gradients were no longer finite; a smaller learning rate or clipping may help",
    EndReason.OUT_OF_MEMORY: "the memory did not suffice; a smaller batch size may help",
    EndReason.TIMED_OUT: "the time allowed was used up",
    EndReason.CRASHED: "an error ended it",
    EndReason.WORKER_LOST: "its worker process died",
    EndReason.INTERRUPTED: "the study was interrupted",
}


class Objective(Record):
    """What the search maximizes or minimizes, e.g. `valid.accuracy`."""

    metric: str = "valid.accuracy"
    direction: Direction = "maximize"

    def better(self, value: float, than: float) -> bool:
        """True if `value` beats `than`. NaN beats nothing and is beaten by every number."""
        if math.isnan(value):
            return False
        if math.isnan(than):
            return True
        return value > than if self.direction == "maximize" else value < than


class Fidelity(Record):
    """How much of the full work a measurement used; None means all of it. `window` is in months."""

    epochs: int | None = None
    share: float | None = None
    window: int | None = None
    folds: int | None = None


class Repeat(Record):
    """One more training of a configuration, which tells merit from luck.

    Repeats of equal number have equal rows and seeds, whatever they train; so they can be compared in pairs.

    `rows` are the scored ones: `resplit` are drawn for each number from those the search trained on and never scored,
    `holdout` were set aside before the search, `same` are the valid rows of the search. `purpose` is `race` (to find
    out which configuration is better), `estimate` (to say, after that, how good it is; on rows that no race drew),
    `full` (a search in short form left it to train in full, as in a search) or `fidelity` (to find out what short forms
    are worth: 0 and 1 are in full, of different seeds, 2 is in short). `num_epochs` are trained without a look
    at any row (None: as the config says, the best epoch by valid rows).
    """

    number: int
    rows: Literal["resplit", "holdout", "same"] = "resplit"
    purpose: Literal["race", "estimate", "full", "fidelity"] = "race"
    num_epochs: int | None = None


class TrialSpec(Record):
    """All that a worker needs to evaluate one set of params, beside a place to read data from.

    `config` is the resolved trial config (name, seed, plugins, data, split, tokenizer, model, training) as JSON.
    `inherited` are the params that earlier stages chose, which `params` go on top of.
    `aside` says that a part of the train rows is kept for the confirmation. `repeat` is None in a search; where it is
    not, `candidate` is the trial of the search that is trained once more.
    `folder` is the attempt folder, the only place where the trial writes. `checkpoint` is where an earlier attempt left
    its state to go on from; `halvings` is how many earlier attempts were killed for the memory they took.
    """

    number: int
    attempt: int = 1
    stage: int = 0
    params: dict[str, Any] = Field(default_factory=dict)
    inherited: dict[str, Any] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict, repr=False)
    objective: Objective = Objective()
    seed: int = 0
    folds: tuple[int, ...] | None = None
    repeat_of: int | None = None
    fidelity: Fidelity = Fidelity()
    aside: bool = False
    repeat: Repeat | None = None
    candidate: int | None = None
    folder: str | None = None
    checkpoint: str | None = None
    halvings: int = 0

    @property
    def choices(self) -> dict[str, Any]:
        """All params that set it apart from the study as written, those of earlier stages first."""
        return {**self.inherited, **self.params}


class Progress(Record):
    """One measurement inside a trial: the end of an epoch of a fold. `value` is the objective at this epoch.

    `learning_rate` is that of the highest layer of the encoder, from which those of others follow.
    """

    trial: int
    attempt: int = 1
    fold: int = 0
    epoch: int
    epochs: int
    value: float
    metrics: dict[str, float] = Field(default_factory=dict)
    learning_rate: float | None = None
    seconds: float = 0.0


class TrialResult(Record):
    """How a trial ended. `metrics` are those of the best epoch (mean over folds), `value` the objective among them.

    `reason` begins with the end-reason word. `final` is False where another attempt at the trial follows, or may: its
    worker died, or the study was interrupted. `details` holds numbers worth keeping: num_parameters,
    examples_per_second, peak_memory_bytes, precision, vector_coverage …; and
    `folds`, a mapping for each: fold, name, rows (of its valid part), best_epoch, metrics.
    """

    trial: int
    attempt: int = 1
    end: EndReason
    reason: str
    value: float | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    best_epoch: int | None = None
    epochs: int = 0
    seconds: float = 0.0
    seconds_per_epoch: float | None = None
    folder: str | None = None
    details: Details = Field(default_factory=Details, repr=False)
    final: bool = True

    @property
    def state(self) -> TrialState:
        return self.end.state

    @property
    def was_short_of_memory(self) -> bool:
        return self.end is EndReason.OUT_OF_MEMORY or bool(self.details.get("memory_was_short"))

    @property
    def deserves_retry(self) -> bool:
        """Whether the same trial may well end otherwise: its worker died, or others took memory of its GPU."""
        if self.end is EndReason.OUT_OF_MEMORY:
            return bool(self.details.get("killed") or self.details.get("on_gpu"))
        return self.end is EndReason.WORKER_LOST


class TrialRecord(Record):
    """A trial as the log tells it: what was asked, each epoch, how it ended (None while it runs)."""

    spec: TrialSpec
    progress: tuple[Progress, ...] = ()
    result: TrialResult | None = None


class StudyStart(Record):
    """What is known before the first trial.

    `metrics` are those each result brings, by full name (`valid.accuracy`); `paths` the dimensions; `trials` how many
    are planned at most (None: until the space is exhausted or the time is up); `header` what `study.json` holds.
    """

    name: str
    objective: Objective
    paths: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    trials: int | None = None
    timeout_seconds: float | None = None
    header: Header = Field(default_factory=Header, repr=False)


class StudyRecord(Record):
    """A whole study as its log tells it; all that `show` and `report` know.

    `header` is what `study.json` holds: resolved config, versions, data statistics, baselines. `repeats` are the
    trainings of the confirmation, `confirmation` what they came to (`textune.study.confirmation`), None without one.
    `test` is the one reading of the test split (its `metrics` by name, `test.accuracy` …), None while it is unread.
    """

    name: str
    state: Literal["running", "done", "interrupted", "failed"] = "running"
    reason: str = ""
    objective: Objective = Objective()
    header: Header = Field(default_factory=Header, repr=False)
    trials: tuple[TrialRecord, ...] = ()
    repeats: tuple[TrialRecord, ...] = ()
    confirmation: Confirmation | None = Field(None, repr=False)
    test: TestReading | None = Field(None, repr=False)
    seconds: float = 0.0

    def count(self, state: TrialState) -> int:
        """Returns how many trials ended in a state; one that goes on in another attempt has not ended."""
        results = [trial.result for trial in self.trials if trial.result is not None and trial.result.final]
        return sum(1 for result in results if result.state is state)

    @property
    def best(self) -> TrialRecord | None:
        """The complete trial with the best objective; the earlier one wins a tie; NaN never wins."""
        values = {
            place: value for place, trial in enumerate(self.trials) if (value := _complete_value(trial)) is not None
        }
        if not values:
            return None
        most = max if self.objective.direction == "maximize" else min
        return self.trials[most(values, key=values.__getitem__)]

    def in_full(self, trial: TrialRecord) -> TrialRecord | None:
        """Returns the training in full of a trial that a search in short form left; None: there was none."""
        for each in self.repeats:
            repeat = each.spec.repeat
            if repeat is not None and repeat.purpose == "full" and each.spec.candidate == trial.spec.number:
                return each
        return None

    @property
    def chosen(self) -> TrialRecord | None:
        """The trial whose configuration is handed over: that of the confirmation, or else the best."""
        number = None if self.confirmation is None else self.confirmation["chosen"]
        return self.best if number is None else next(each for each in self.trials if each.spec.number == number)


def _complete_value(trial: TrialRecord) -> float | None:
    """Returns the objective of a complete trial; None where there is none, or it is NaN."""
    result = trial.result
    if result is None or result.value is None or result.end.state is not TrialState.COMPLETE:
        return None
    return None if math.isnan(result.value) else result.value
