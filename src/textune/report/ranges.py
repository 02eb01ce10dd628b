"""Each configuration in each range of dates (or fold): is one best everywhere, or was it lucky in one month?"""

# R ranges

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from textune.records import StudyRecord, TrialRecord, TrialState
from textune.report.frame import Figure, framed, label
from textune.report.markup import Cell, escaped, table
from textune.report.verdict import BASELINES, base_trial
from textune.tracking.wording import count, number, params_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from textune.records import Objective
    from textune.report.weeks import WeeklyDifference

__all__ = ["RangeRow", "RangeTable", "range_section", "range_table"]

MOST_SHOWN = 6
"""Configurations that are shown, the best first; the base point comes beside them."""

MIN_RANGES = 5
"""Under these nothing is claimed."""


@dataclass(frozen=True)
class RangeRow:
    """One configuration, or a baseline, in every range.

    Attributes:
        role: what it is in the study.
        name: as the table shows it.
        params: in words.
        values: the objective by range.
        mean_rank: over the ranges, among the configurations compared (1: best); None for a baseline.
        num_best: ranges in which it alone is the best; None for a baseline.
    """

    role: Literal["best", "trial", "base", "tfidf"]
    name: str
    params: str
    values: tuple[float, ...]
    mean_rank: float | None = None
    num_best: int | None = None

    @property
    def mean(self) -> float:
        return fmean(self.values)


@dataclass(frozen=True)
class RangeTable:
    """The best configurations, the base point and TF-IDF by range.

    Attributes:
        metric: the objective.
        unit: what a column is.
        names: of the ranges.
        num_rows: valid rows by range.
        rows: the best first, by the mean.
        num_compared: complete trials with a configuration of their own.
        statements: what may be said.
        against_base: how much better the best is than the base point, by range and in the mean; may be empty.
    """

    metric: str
    unit: Literal["range", "fold"]
    names: tuple[str, ...]
    num_rows: tuple[int, ...]
    rows: tuple[RangeRow, ...]
    num_compared: int
    statements: tuple[str, ...]
    against_base: tuple[WeeklyDifference, ...] = ()


def range_table(record: StudyRecord, against_base: Sequence[WeeklyDifference] = ()) -> RangeTable | None:
    """Returns the configurations that were measured on all folds the best one was; None where that is one fold."""
    best = record.best
    if best is None or len(_folds(best)) < 2:
        return None
    folds = _folds(best)
    names = tuple(str(fold["name"]) for fold in folds)
    trials = [trial for trial in record.trials if _is_comparable(trial, names)]
    metric, objective = record.objective.metric, record.objective
    values = {trial.spec.number: tuple(float(fold["metrics"][metric]) for fold in _folds(trial)) for trial in trials}
    ranks = {
        number: [_rank(own, r, values.values(), objective) for r in range(len(names))] for number, own in values.items()
    }
    ordered = sorted(
        trials, key=lambda trial: fmean(values[trial.spec.number]), reverse=objective.direction == "maximize"
    )
    base, chosen = base_trial(record), record.chosen
    rows = tuple(
        _row(trial, best, base, chosen, values[trial.spec.number], ranks[trial.spec.number])
        for place, trial in enumerate(ordered)
        if place < MOST_SHOWN or trial is base or trial is chosen
    )
    unit: Literal["range", "fold"] = "range" if (record.header.get("data") or {}).get("ranges") else "fold"
    return RangeTable(
        metric=metric,
        unit=unit,
        names=names,
        num_rows=tuple(int(fold["rows"]) for fold in folds),
        rows=(*rows, *_baseline_row(record, len(names))),
        num_compared=len(trials),
        statements=tuple(_statements(rows, len(trials), unit, objective)),
        against_base=tuple(against_base) if unit == "range" else (),
    )


def _folds(trial: TrialRecord) -> Sequence[Mapping[str, Any]]:
    return trial.result.details.get("folds") or () if trial.result is not None else ()


def _is_comparable(trial: TrialRecord, names: tuple[str, ...]) -> bool:
    """Whether a trial completed the same folds, with a configuration that no earlier trial had."""
    complete = trial.result is not None and trial.result.state is TrialState.COMPLETE
    same = tuple(str(fold["name"]) for fold in _folds(trial)) == names
    return complete and same and trial.spec.repeat_of is None


def _rank(own: Sequence[float], r: int, all_values: Iterable[Sequence[float]], objective: Objective) -> float:
    """The place among all in range r, 1 the best; equal values share the mean of their places."""
    in_range = [values[r] for values in all_values]
    num_better = sum(objective.better(value, own[r]) for value in in_range)
    return num_better + (in_range.count(own[r]) + 1) / 2


def _row(
    trial: TrialRecord,
    best: TrialRecord,
    base: TrialRecord | None,
    chosen: TrialRecord | None,
    values: tuple[float, ...],
    ranks: Sequence[float],
) -> RangeRow:
    role: Literal["best", "trial", "base"] = "best" if trial is best else "base" if trial is base else "trial"
    marks = ["base point"] * (trial is base) + ["chosen"] * (trial is chosen and chosen is not best)
    name = f"trial {trial.spec.number}" + (f" ({', '.join(marks)})" if marks else "")
    num_best = sum(rank == 1 for rank in ranks)
    return RangeRow(role, name, params_text(trial.spec.params), values, fmean(ranks), num_best)


def _baseline_row(record: StudyRecord, num_ranges: int) -> list[RangeRow]:
    by_fold = record.header.get("baselines_by_fold") or ()
    for variant in ("tfidf", "tfidf-balanced"):
        scores = [each.get(variant, {}).get(record.objective.metric) for each in by_fold]
        values = tuple(each for each in scores if each is not None)
        if len(values) == num_ranges == len(scores):
            return [RangeRow("tfidf", BASELINES[variant], "", values)]
    return []


def _statements(rows: Sequence[RangeRow], num_compared: int, unit: str, objective: Objective) -> list[str]:
    from textune.stats.blocks import chance_best_in_all

    best = next(row for row in rows if row.role == "best")
    num_ranges = len(best.values)
    if num_compared < 2:
        return []
    name = best.name[:1].upper() + best.name[1:]
    if best.num_best == num_ranges:
        text = f"{name} is the best of {num_compared} in all {num_ranges} {unit}s."
        if unit == "range" and num_ranges >= MIN_RANGES:
            chance = count(1 / chance_best_in_all(num_compared, num_ranges))
            text += (
                f" Were all equal and the ranges independent, the chance that one of them is would be 1 in {chance}."
            )
    else:
        text = f"{name} has the best mean and is the best in {best.num_best} of {num_ranges} {unit}s, not in all."
    if unit == "fold":
        return [text]
    if num_ranges < MIN_RANGES:
        return [text, f"{num_ranges} ranges are too few to tell merit from luck: take {MIN_RANGES} at least."]
    return [text, *_against_base(rows, best, objective)]


def _against_base(rows: Sequence[RangeRow], best: RangeRow, objective: Objective) -> list[str]:
    import numpy as np

    from textune.stats.compare import ranges

    base = next((row for row in rows if row.role == "base"), None)
    if base is None:
        return []
    sign = 1 if objective.direction == "maximize" else -1
    estimate = ranges(sign * (np.asarray(best.values) - np.asarray(base.values)))
    interval = estimate.interval()
    text = (
        f"Better than the base point by {number(estimate.mean)} in the mean of the ranges, 95% interval "
        f"{_signed(interval.low)} … {_signed(interval.high)} (each range one unit). It was chosen by these very "
        "ranges, so that is optimistic."
    )
    return [text]


def range_section(ranges: RangeTable | None, plot: Callable[[Figure], str]) -> str:
    """Returns the section of the page; empty where there is one fold."""
    if ranges is None:
        return ""
    heads = [Cell("configuration")]
    heads += [
        Cell(name, "number", title=f"{count(rows)} valid rows")
        for name, rows in zip(ranges.names, ranges.num_rows, strict=True)
    ]
    heads += [*(Cell(head, "number") for head in ("mean", "mean rank", "best in")), Cell("settings")]
    lines = [_cells(row) for row in ranges.rows]
    told = "".join(f"<li>{escaped(statement)}</li>" for statement in ranges.statements)
    named = " A range is named by the dates it chooses by." if ranges.unit == "range" else ""
    lead = f"The best configurations, {ranges.metric} in each {ranges.unit}; ranks among {ranges.num_compared}.{named}"
    return (
        f'<h2 id="ranges">In each {ranges.unit}</h2><p class="lead">{escaped(lead)}</p>'
        f'<div class="card"><div class="scroll">{table(heads, lines, [_style(row) for row in ranges.rows])}</div>'
        f'<ul class="notes">{told}</ul></div><div class="card">{plot(_figure(ranges))}</div>{_against(ranges)}'
    )


def _against(ranges: RangeTable) -> str:
    """The best configuration minus the base point, each range with the interval that whole weeks give."""
    if not ranges.against_base:
        return ""
    heads = [Cell(ranges.unit), Cell("best − base point", "number"), Cell("95% interval", "number")]
    lines = [
        [Cell(name), Cell(_signed(each.mean), "number"), Cell(_bounds(each), "number")]
        for name, each in zip((*ranges.names, "mean"), ranges.against_base, strict=True)
    ]
    lead = (
        "Intervals draw whole weeks of the rows, for neighbouring days resemble each other: how sure the difference is "
        "in these months, with these trained models, not whether it holds in another month or with another seed."
    )
    return f'<div class="card"><div class="scroll">{table(heads, lines)}</div><p class="soft small">{lead}</p></div>'


def _bounds(difference: WeeklyDifference) -> str:
    interval = difference.interval
    return "too few weeks" if interval is None else f"{_signed(interval.low)} … {_signed(interval.high)}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _cells(row: RangeRow) -> list[Cell]:
    return [
        Cell(row.name, "name"),
        *(Cell(number(value), "number") for value in row.values),
        Cell(number(row.mean), "number"),
        Cell("" if row.mean_rank is None else f"{row.mean_rank:.1f}", "number"),
        Cell("" if row.num_best is None else str(row.num_best), "number"),
        Cell(row.params),
    ]


def _style(row: RangeRow) -> str:
    return {"best": "winner", "tfidf": "pruned"}.get(row.role, "")


def _figure(ranges: RangeTable) -> Figure:
    """One line per configuration across the ranges."""
    lines: dict[str, dict[str, Any]] = {
        "best": {"color": "accent", "width": 3},
        "base": {"color": "muted", "width": 2, "dash": "dash"},
        "trial": {"color": "muted", "width": 1.2},
        "tfidf": {"color": "faint", "width": 2, "dash": "dot"},
    }
    shown = sorted(ranges.rows, key=lambda row: row.role == "best")  # the winner is drawn over the others
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": label(row.name),
            "x": [label(name) for name in ranges.names],
            "y": list(row.values),
            "line": lines[row.role],
            "marker": {"size": 8 if row.role == "best" else 5},
            "hovertemplate": f"{label(row.name)}, %{{x}}<br>%{{y:.4f}}<extra></extra>",
        }
        for row in shown
    ]
    figure = framed(traces, x=ranges.unit, y=ranges.metric, legend=True)
    figure["layout"]["xaxis"]["type"] = "category"  # months are no dates here: the distances would be off
    return figure
