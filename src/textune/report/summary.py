"""A study's record as tables: plain values that a page, a terminal and JSON all print. Reads no data and no model."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from textune.records import EndReason, StudyRecord, TrialRecord, TrialState
from textune.report.ablation import Ablation
from textune.report.claims import Statement
from textune.report.confirmation import RaceTable, race_table
from textune.report.expected import ExpectedBest, expected_best
from textune.report.ranges import RangeTable, range_table
from textune.report.verdict import Standing, searches, standings, verdict
from textune.tracking.wording import setting, short_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textune.report.weeks import WeeklyDifference
    from textune.stats.importance import Association

__all__ = [
    "ClassReport",
    "Curve",
    "DimensionTable",
    "Ending",
    "Point",
    "Summary",
    "TimeSpent",
    "TrialRow",
    "summarize",
]

RUNNING = "running"


@dataclass(frozen=True)
class TrialRow:
    """One trial; `value` is the objective at its best epoch. `params` names the base point's own values too.

    `inherited` are the params that earlier stages chose for it.
    """

    number: int
    state: str
    reason: str
    value: float | None
    metrics: Mapping[str, float]
    best_epoch: int | None
    epochs: int
    seconds: float | None
    seconds_per_epoch: float | None
    params: Mapping[str, Any]
    inherited: Mapping[str, Any]

    @property
    def choices(self) -> Mapping[str, Any]:
        return {**self.inherited, **self.params}


@dataclass(frozen=True)
class Ending:
    """How many trials ended for one reason; `examples` are their numbers, at most five."""

    reason: str
    sentence: str
    num_trials: int
    examples: tuple[int, ...]


@dataclass(frozen=True)
class Point:
    """One trial's value of one setting and what it scored."""

    trial: int
    value: Any
    score: float
    complete: bool


@dataclass(frozen=True)
class DimensionTable:
    """One setting against the objective. Trials in which the setting had no place are counted in `num_absent`."""

    path: str
    name: str
    numeric: bool
    log: bool
    points: tuple[Point, ...]
    num_absent: int
    association: Association | None


@dataclass(frozen=True)
class Curve:
    """The objective after each epoch (mean over the folds that reached it), and the losses where they were measured."""

    trial: int
    state: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    train_loss: tuple[float, ...]
    valid_loss: tuple[float, ...]


@dataclass(frozen=True)
class ClassReport:
    """Right and wrong by class on one split. `confusion[true][predicted]` counts rows."""

    split: str
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    support: tuple[int, ...]


@dataclass(frozen=True)
class TimeSpent:
    """Seconds: of the whole study on the clock, of all trials together, and of a typical trial and epoch."""

    total: float
    training: float
    per_trial: float | None
    per_epoch: float | None


@dataclass(frozen=True)
class Summary:
    """Everything a report says, in the order in which it says it.

    `best` is the best trial of the search, `chosen` the one whose configuration is handed over.
    """

    name: str
    state: str
    metric: str
    direction: str
    verdict: tuple[Statement, ...]
    standings: tuple[Standing, ...]
    best: TrialRow | None
    chosen: TrialRow | None
    best_so_far: tuple[tuple[int, float], ...]
    expected: ExpectedBest | None
    trials: tuple[TrialRow, ...]
    endings: tuple[Ending, ...]
    dimensions: tuple[DimensionTable, ...]
    curves: tuple[Curve, ...]
    classes: ClassReport | None
    race: RaceTable | None
    ranges: RangeTable | None
    ablations: tuple[Ablation, ...]
    time: TimeSpent
    data: Mapping[str, Any]
    test: Mapping[str, Any]
    header: Mapping[str, Any]

    def count(self, state: TrialState | str) -> int:
        return sum(1 for row in self.trials if row.state == state)


def summarize(
    record: StudyRecord,
    valid_confusion: Sequence[Sequence[int]] | None = None,
    against_base: Sequence[WeeklyDifference] = (),
    ablations: Sequence[Ablation] = (),
) -> Summary:
    """Returns the tables of a study, whatever state it is in.

    Args:
        record: the study as its log tells it.
        valid_confusion: of the chosen trial, shown where the test split was not read.
        against_base: the best trial and the base point compared row by row in each range of dates.
        ablations: of the stages that vary one setting at a time.
    """
    space = _space(record)
    rows = tuple(_row(trial, space) for trial in record.trials)
    by_number = {row.number: row for row in rows}
    best, chosen = record.best, record.chosen
    return Summary(
        name=record.name,
        state=record.state,
        metric=record.objective.metric,
        direction=record.objective.direction,
        verdict=verdict(record),
        standings=standings(record),
        best=None if best is None else by_number[best.spec.number],
        chosen=None if chosen is None else by_number[chosen.spec.number],
        best_so_far=_best_so_far(record, rows),
        expected=expected_best(record),
        trials=rows,
        endings=_endings(record),
        dimensions=_dimensions(space, rows),
        curves=tuple(_curve(trial) for trial in record.trials if trial.progress),
        classes=_class_report(record, valid_confusion),
        race=race_table(record),
        ablations=tuple(ablations),
        ranges=range_table(record, against_base),
        time=_time_spent(record),
        data=record.header.get("data") or {},
        test=record.test or {},
        header=record.header,
    )


def _space(record: StudyRecord) -> dict[str, Mapping[str, Any]]:
    """Every path that varied, with its dimension as the study gives it (empty if only the trials tell of it)."""
    space: dict[str, Mapping[str, Any]] = {}
    for search in searches(record):
        space |= search.get("space") or {}
    for trial in record.trials:
        for path in trial.spec.params:
            space.setdefault(path, {})
    return space


def _row(trial: TrialRecord, space: Mapping[str, Any]) -> TrialRow:
    spec, result = trial.spec, trial.result
    params = dict(spec.params)
    if spec.number == 0:  # the base point: what varies in other trials stands in its config
        resolved = {path: _at(spec.config, path) for path in space if path not in params}
        params |= {path: value for path, value in resolved.items() if value is not None}
    if result is None:
        last = trial.progress[-1] if trial.progress else None
        return TrialRow(
            number=spec.number,
            state=RUNNING,
            reason=RUNNING,
            value=None if last is None else last.value,
            metrics={} if last is None else last.metrics,
            best_epoch=None,
            epochs=len(trial.progress),
            seconds=None,
            seconds_per_epoch=None,
            params=params,
            inherited=spec.inherited,
        )
    return TrialRow(
        number=spec.number,
        state=result.state.value,
        reason=result.reason,
        value=result.value,
        metrics=result.metrics,
        best_epoch=result.best_epoch,
        epochs=result.epochs,
        seconds=result.seconds,
        seconds_per_epoch=result.seconds_per_epoch,
        params=params,
        inherited=spec.inherited,
    )


def _at(config: Mapping[str, Any], path: str) -> Any:
    value: Any = config
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _best_so_far(record: StudyRecord, rows: Sequence[TrialRow]) -> tuple[tuple[int, float], ...]:
    best, steps = math.nan, []
    for row in rows:
        if row.state == TrialState.COMPLETE and row.value is not None and record.objective.better(row.value, best):
            best = row.value
        if not math.isnan(best):
            steps.append((row.number, best))
    return tuple(steps)


def _endings(record: StudyRecord) -> tuple[Ending, ...]:
    ended = [trial.result for trial in record.trials if trial.result is not None]
    counts = Counter(result.end for result in ended)
    return tuple(
        Ending(end.value, end.sentence, counts[end], tuple(r.trial for r in ended if r.end is end)[:5])
        for end in EndReason
        if counts[end]
    )


def _dimensions(space: Mapping[str, Mapping[str, Any]], rows: Sequence[TrialRow]) -> tuple[DimensionTable, ...]:
    """The settings that took more than one value, those that went along with the objective most first."""
    names = short_names(space)
    tables = [_dimension(path, names[path], dimension, rows) for path, dimension in space.items()]
    varied = [table for table in tables if len({setting(point.value) for point in table.points}) > 1]
    return tuple(sorted(varied, key=lambda table: -(table.association.share if table.association else 0.0)))


def _dimension(path: str, name: str, dimension: Mapping[str, Any], rows: Sequence[TrialRow]) -> DimensionTable:
    from textune.stats.importance import association

    points = tuple(
        Point(row.number, row.params[path], row.value, row.state == TrialState.COMPLETE)
        for row in rows
        if path in row.params and row.value is not None and math.isfinite(row.value) and row.state != RUNNING
    )
    numeric = dimension.get("values") is None and all(
        isinstance(point.value, int | float) and not isinstance(point.value, bool) for point in points
    )
    complete = [point for point in points if point.complete]
    return DimensionTable(
        path=path,
        name=name,
        numeric=numeric,
        log=bool(dimension.get("log")) and all(point.value > 0 for point in points),
        points=points,
        num_absent=sum(1 for row in rows if path not in row.params),
        association=association(
            [point.value if numeric else setting(point.value) for point in complete],
            [point.score for point in complete],
        ),
    )


def _curve(trial: TrialRecord) -> Curve:
    epochs = sorted({point.epoch for point in trial.progress})
    by_epoch = [[point for point in trial.progress if point.epoch == epoch] for epoch in epochs]

    def losses(name: str) -> tuple[float, ...]:
        if not all(name in point.metrics for point in trial.progress):
            return ()
        return tuple(fmean(point.metrics[name] for point in points) for points in by_epoch)

    return Curve(
        trial=trial.spec.number,
        state=RUNNING if trial.result is None else trial.result.state.value,
        epochs=tuple(epochs),
        values=tuple(fmean(point.value for point in points) for points in by_epoch),
        train_loss=losses("train.loss"),
        valid_loss=losses("valid.loss"),
    )


def _class_report(record: StudyRecord, valid_confusion: Sequence[Sequence[int]] | None) -> ClassReport | None:
    import numpy as np

    from textune.training.metrics import per_class

    test = record.test or {}
    confusion = test.get("confusion") or valid_confusion
    if confusion is None:
        return None
    labels = ((record.header.get("data") or {}).get("labels") or {}).get("all")
    names = test.get("classes") or labels or range(len(confusion))
    scores = per_class(np.asarray(confusion, np.int64))
    return ClassReport(
        split="test" if test.get("confusion") else "valid",
        classes=tuple(str(name) for name in names),
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
        precision=tuple(scores.precision_K.tolist()),
        recall=tuple(scores.recall_K.tolist()),
        f1=tuple(scores.f1_K.tolist()),
        support=tuple(scores.support_K.tolist()),
    )


def _time_spent(record: StudyRecord) -> TimeSpent:
    results = [trial.result for trial in record.trials if trial.result is not None]
    epochs = [result.seconds_per_epoch for result in results if result.seconds_per_epoch is not None]
    return TimeSpent(
        total=record.seconds,
        training=sum(result.seconds for result in results),
        per_trial=median(result.seconds for result in results) if results else None,
        per_epoch=median(epochs) if epochs else None,
    )
