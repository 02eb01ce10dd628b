"""The section "Is it real?": what the confirmation trained again, repeat by repeat, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textune.report.claims import claims, confirmed, last_comparisons, level_of, rows_of
from textune.report.frame import Figure, framed, label, whole_numbers
from textune.report.markup import Cell, escaped, table
from textune.report.verdict import base_trial
from textune.tracking.wording import count, duration, number, params_text, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textune.records import StudyRecord
    from textune.report.claims import Statement

__all__ = ["CandidateRow", "RaceTable", "race_section", "race_table"]

METHODS = {
    "resplit": "The train parts of the repeats overlap, which is counted into the errors (corrected resampled t).",
    "crossed": "Both seeds and rows are taken as drawn by chance; the error has a part for either.",
    "ranges": "Each range of dates is one unit, the mean of its repeats (t over ranges).",
}


@dataclass(frozen=True)
class CandidateRow:
    """A configuration that was trained again.

    Attributes:
        role: what it is: the one handed over, the study as written, or another.
        name: as table and figures show it.
        params: in words.
        searched: the objective that it had in the search.
        values: the objective by repeat.
        mean: over the repeats.
        behind: its last comparison with the leader of the look, None for the leader of the last one.
        outcome: what became of it.
        num_parameters, seconds: what it costs: to use, and for one training.
    """

    role: str
    name: str
    params: str
    searched: float
    values: tuple[float, ...]
    mean: float | None
    behind: Mapping[str, Any] | None
    outcome: str
    num_parameters: float | None
    seconds: float | None


@dataclass(frozen=True)
class RaceTable:
    """The candidates, the chosen one first, then those that remained and those that dropped out, the latest first.

    Attributes:
        metric: the objective.
        margin: differences within it do not matter.
        rows: the candidates.
        verdict: what may be said of them.
        design: how it was done, in words.
        estimate: of the chosen one, on rows of their own; with `values`, `mean`, `interval`. None where there is none.
    """

    metric: str
    margin: float
    rows: tuple[CandidateRow, ...]
    verdict: Statement
    design: str
    estimate: Mapping[str, Any] | None


def race_table(record: StudyRecord) -> RaceTable | None:
    """Returns the candidates and what came out; None where nothing was confirmed."""
    confirmation = confirmed(record)
    if confirmation is None:
        return None
    sign = -1 if record.objective.direction == "maximize" else 1

    def place(each: Mapping[str, Any]) -> tuple[Any, ...]:
        is_chosen = each["trial"] == confirmation["chosen"]
        return not is_chosen, each["failed"] is not None, -(each["dropped_at"] or 10**9), sign * (each["mean"] or 0.0)

    candidates = sorted(confirmation["candidates"], key=place)
    return RaceTable(
        metric=record.objective.metric,
        margin=confirmation["margin"],
        rows=tuple(_row(record, confirmation, each) for each in candidates),
        verdict=claims(record)[0],
        design=_design(record, confirmation),
        estimate=estimate if (estimate := confirmation.get("estimate")) and "mean" in estimate else None,
    )


def _row(record: StudyRecord, confirmation: Mapping[str, Any], candidate: Mapping[str, Any]) -> CandidateRow:
    trial, base = candidate["trial"], base_trial(record)
    is_base = base is not None and base.spec.number == trial
    is_chosen = trial == confirmation["chosen"]
    comparisons = confirmation["comparisons"]
    leads = bool(comparisons) and comparisons[-1]["leader"] == trial
    return CandidateRow(
        role="chosen" if is_chosen else "base" if is_base else "trial",
        name=f"trial {trial}" + (" (base point)" if is_base else ""),
        params=params_text(candidate["params"]),
        searched=candidate["search"],
        values=tuple(candidate["values"]),
        mean=candidate["mean"],
        behind=None if leads else last_comparisons(confirmation).get(trial),
        outcome=_outcome(candidate, is_chosen=is_chosen),
        num_parameters=candidate["num_parameters"],
        seconds=candidate["seconds"],
    )


def _outcome(candidate: Mapping[str, Any], *, is_chosen: bool) -> str:
    if is_chosen:
        return "chosen"
    if candidate["failed"]:
        return f"failed: {candidate['failed']}"
    if candidate["dropped_at"] is not None:
        return f"out after {candidate['dropped_at']}"
    return "in to the end"


def _design(record: StudyRecord, confirmation: Mapping[str, Any]) -> str:
    looks = list(dict.fromkeys(str(each["repeats"]) for each in confirmation["comparisons"]))
    after = f" (after {', '.join(looks)} repeats)" if looks else ""
    return (
        f"The best of the search and the study as written, each trained again for the epochs that were best in the "
        f"search, {rows_of(record, confirmation)}. Repeats of one number have equal rows and seeds, so that they are "
        f"compared in pairs. At each look{after}, planned beforehand, all are compared with the one that leads; those "
        f"significantly worse drop out. The chance of calling one better than all others that is not is at most "
        f"{level_of(confirmation['alpha'])}, over all looks together. Differences within "
        f"{confirmation['margin']:g} do not matter. {METHODS[confirmation['method']]} Intervals hold for all pairs of "
        "a look together."
    )


def race_section(race: RaceTable | None, plot: Callable[[Figure], str]) -> str:
    """Returns the section of the page; empty where nothing was confirmed."""
    if race is None:
        return ""
    heads = [Cell("configuration")]
    heads += [
        Cell(head, "number")
        for head in (
            "search",
            "repeats",
            "mean",
            "behind",
            "interval",
            "leader",
            "parameters",
            "each",
        )
    ]
    heads.append(Cell("outcome"))
    lines = [_cells(row) for row in race.rows]
    styles = ["winner" if row.role == "chosen" else "" for row in race.rows]
    figures = [figure for figure in (_repeats(race), _differences(race)) if figure]
    cards = "".join(f'<div class="card">{plot(figure)}</div>' for figure in figures)
    return (
        f'<h2 id="confirmation">Is it real?</h2><div class="card"><p class="{race.verdict.level}">'
        f"{escaped(race.verdict.text)}</p>"
        f'<div class="scroll">{table(heads, lines, styles)}</div></div>'
        f'<div class="{"pair" if len(figures) > 1 else ""}">{cards}</div><p class="lead">{escaped(race.design)}</p>'
    )


def _cells(row: CandidateRow) -> list[Cell]:
    behind = ("", "", "")
    level = ""
    if row.behind is not None:
        low, high = row.behind["low"], row.behind["high"]
        interval = "unbounded" if low is None else f"{signed(low)} to {signed(high)}"
        behind = (
            signed(row.behind["difference"]),
            interval,
            f"trial {row.behind['leader']}, {row.behind['repeats']} ×",
        )
        level = f"{level_of(row.behind['level'])}, simultaneous"
    name = escaped(row.name) + (f'<br><span class="soft small">{escaped(row.params)}</span>' if row.params else "")
    return [
        Cell(name, markup=True),
        Cell(number(row.searched), "number"),
        Cell(str(len(row.values)), "number"),
        Cell(number(row.mean), "number"),
        Cell(behind[0], "number"),
        Cell(behind[1], "number", title=level),
        Cell(behind[2], "number"),
        Cell(count(row.num_parameters), "number"),
        Cell(duration(row.seconds), "number"),
        Cell(row.outcome),
    ]


LINES: dict[str, dict[str, Any]] = {
    "chosen": {"color": "accent", "width": 3},
    "base": {"color": "muted", "width": 2, "dash": "dash"},
    "trial": {"color": "muted", "width": 1.2},
}


def _repeats(race: RaceTable) -> Figure | None:
    """One line per configuration across the repeats: what goes up and down together is the rows, not merit."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": label(row.name),
            "x": list(range(1, len(row.values) + 1)),
            "y": list(row.values),
            "line": LINES[row.role],
            "marker": {"size": 8 if row.role == "chosen" else 5},
            "hovertemplate": f"{label(row.name)}, repeat %{{x}}<br>%{{y:.4f}}<extra></extra>",
        }
        for row in reversed(race.rows)  # the chosen one is drawn over the others
        if row.values
    ]
    if not traces:
        return None
    figure = framed(traces, x="repeat", y=race.metric, legend=True)
    return whole_numbers(figure, max(len(row.values) for row in race.rows))


def _differences(race: RaceTable) -> Figure | None:
    """How far each was behind the leader of its last look, with its interval, and the margin as an area."""
    compared = [(row, row.behind) for row in reversed(race.rows) if row.behind is not None]
    if not compared:
        return None
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "showlegend": False,
            "x": [behind["difference"]],
            "y": [label(row.name)],
            "marker": {"size": 9, "color": LINES[row.role]["color"]},
            "error_x": _bounds(behind) | {"color": LINES[row.role]["color"], "thickness": 1.5, "width": 6},
            "hovertemplate": f"{label(row.name)} behind trial {behind['leader']}<br>%{{x:.4f}}<extra></extra>",
        }
        for row, behind in compared
    ]
    figure = framed(traces, x="behind the leader; shaded: the margin", y="")
    margin = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "x0": -race.margin, "x1": race.margin}
    figure["layout"]["shapes"] = [{**margin, "fillcolor": "veil", "line": {"width": 0}, "layer": "below"}]
    figure["layout"]["xaxis"]["showgrid"] = True
    figure["layout"]["yaxis"].update(type="category", showgrid=False, range=[-0.5, len(compared) - 0.5])
    return figure


def _bounds(comparison: Mapping[str, Any]) -> dict[str, Any]:
    if comparison["low"] is None:
        return {"visible": False}
    ahead, back = comparison["high"] - comparison["difference"], comparison["difference"] - comparison["low"]
    return {"type": "data", "symmetric": False, "array": [ahead], "arrayminus": [back]}
