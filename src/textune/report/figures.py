"""The figures of a report as plain plotly JSON: `{"data": […], "layout": {…}}`.

Colours are names (`accent`, `muted`, …) that the page resolves, so that a figure fits light and dark alike. Text from
data is escaped here, because plotly reads tags in its labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from textune.records import TrialState
from textune.report.frame import Figure, framed, label, whole_numbers
from textune.report.summary import ClassReport, Curve, DimensionTable, Point, Summary, TrialRow
from textune.tracking.wording import number, setting, short_names

__all__ = ["best_so_far", "confusion", "dimension", "learning_curves", "losses", "parallel_coordinates"]

T = TypeVar("T")

MAX_CURVES = 200  # more lines than this are one grey area, and slow
MAX_LINES = 80  # of one group in the parallel coordinates
MIN_VIOLIN = 5  # the shape of fewer points is made up
PRUNED = {"color": "muted", "symbol": "circle-open", "opacity": 0.6}
CLEAR = "rgba(0,0,0,0)"


def best_so_far(summary: Summary) -> Figure:
    """Every trial's score, and the best one up to it."""
    complete = [row for row in summary.trials if row.state == TrialState.COMPLETE and row.value is not None]
    pruned = [row for row in summary.trials if row.state == TrialState.PRUNED and row.value is not None]
    data = [
        _trial_points(pruned, "pruned", {**PRUNED, "size": 6}),
        _trial_points(complete, "complete", {"color": "muted", "size": 7}),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": [trial for trial, _ in summary.best_so_far],
            "y": [value for _, value in summary.best_so_far],
            "line": {"color": "accent", "width": 2.5, "shape": "hv"},
            "hoverinfo": "skip",
        },
    ]
    figure = framed([trace for trace in data if trace["x"]], x="trial", y=summary.metric, legend=True)
    return whole_numbers(figure, len(summary.trials))


def dimension(table: DimensionTable, metric: str, chosen: int | None) -> Figure:
    """One setting against the objective: points for numbers, violins for choices."""
    traces = _numbers(table) if table.numeric else _choices(table)
    winner = [point for point in table.points if point.trial == chosen]
    if winner:
        where = winner[0].value if table.numeric else _choice_text(winner[0].value)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [where],
                "y": [winner[0].score],
                "marker": {"color": "accent", "size": 11, "line": {"color": "surface", "width": 2}},
                "hovertemplate": f"chosen: trial {chosen}<br>%{{y:.4f}}<extra></extra>",
            }
        )
    figure = framed(traces, x="", y=metric)
    axis = figure["layout"]["xaxis"]
    if not table.numeric:
        axis.update(type="category", categoryorder="array", categoryarray=_categories(table))
    elif table.log:
        axis.update(type="log", dtick=1 if _decades(table) >= 2 else "D1", exponentformat="power")
    figure["layout"]["height"] = 260
    return figure


def _numbers(table: DimensionTable) -> list[dict[str, Any]]:
    hollow = [point for point in table.points if not point.complete]
    solid = [point for point in table.points if point.complete]
    traces = [_points(hollow, PRUNED), _points(solid, _solid(solid))]
    return [trace for trace in traces if trace["x"]]


def _choices(table: DimensionTable) -> list[dict[str, Any]]:
    hollow = _points([point for point in table.points if not point.complete], PRUNED)
    hollow["x"] = [_choice_text(x) for x in hollow["x"]]
    traces = [hollow]
    for category in _categories(table):
        points = [point for point in table.points if point.complete and _choice_text(point.value) == category]
        enough = len(points) >= MIN_VIOLIN
        traces.append(
            _points(points, _solid(points))
            | {"type": "violin", "x": [category] * len(points), "points": "all", "pointpos": 0, "jitter": 0.35}
            | {"spanmode": "hard", "width": 0.8, "hoveron": "points", "meanline": {"visible": enough}}
            | {"line": {"color": "muted" if enough else CLEAR, "width": 1}, "fillcolor": "veil" if enough else CLEAR}
        )
        del traces[-1]["mode"]
    return [trace for trace in traces if trace["x"]]


def _solid(points: Sequence[Point]) -> dict[str, Any]:
    return {"color": "muted", "opacity": 0.85 if len(points) <= 200 else 0.35}


def _points(points: Sequence[Point], marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [point.value for point in points],
        "y": [point.score for point in points],
        "customdata": [f"trial {point.trial}" + ("" if point.complete else " (stopped)") for point in points],
        "marker": {"size": 7, **marker},
        "hovertemplate": "%{customdata}<br>%{x}<br>%{y:.4f}<extra></extra>",
    }


def parallel_coordinates(summary: Summary) -> Figure | None:
    """Every complete trial as a line across the settings to its score; None with fewer than two of either.

    Drawn as ordinary lines: plotly's own trace for it compiles code at run time, which the page's policy forbids.
    """
    rows = [row for row in summary.trials if row.state == TrialState.COMPLETE and row.value is not None]
    axes = [_Axis(table) for table in summary.dimensions]
    if len(rows) < 2 or len(axes) < 2:
        return None
    values = [row.value or 0.0 for row in rows]
    low, high = min(values), max(values)
    flip = summary.direction == "minimize"
    ranked = sorted(rows, key=lambda row: row.value or 0.0, reverse=not flip)
    tenth, half = max(1, len(ranked) // 10), max(1, len(ranked) // 2)
    groups = (
        ("lower half", ranked[half:], {"color": "faint", "width": 1}),
        ("upper half", ranked[tenth:half], {"color": "muted", "width": 1.2}),
        ("best tenth", ranked[1:tenth], {"color": "accent", "width": 1.5}),
        ("best", ranked[:1], {"color": "accent", "width": 3.5}),
    )
    traces = []
    for name, members, line in groups:
        xs: list[float | None] = []
        ys: list[float | None] = []
        notes: list[str] = []
        for row in _sample(members, MAX_LINES):
            ys += [axis.position(row.params.get(axis.path)) for axis in axes]
            ys += [(row.value - low) / (high - low or 1) if row.value is not None else None, None]
            xs += [*range(len(axes) + 1), None]
            notes += [f"trial {row.number}: {number(row.value)}"] * (len(axes) + 2)
        if members:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "marker": {"size": 4 if len(members) > 1 else 7},
                    "name": name,
                    "x": xs,
                    "y": ys,
                    "customdata": notes,
                    "line": line,
                    "connectgaps": False,
                    "hovertemplate": "%{customdata}<extra></extra>",
                }
            )
    figure = framed(traces, x="", y="", legend=True)
    figure["layout"]["height"] = 420
    figure["layout"]["xaxis"] = {
        "tickvals": list(range(len(axes) + 1)),
        "ticktext": [*(label(axis.name) for axis in axes), label(summary.metric)],
        "range": [-0.25, len(axes) + 0.35],
        "showgrid": True,
        "zeroline": False,
        "fixedrange": True,
    }
    figure["layout"]["yaxis"] = {"visible": False, "range": [-0.06, 1.06], "fixedrange": True}
    marks = [mark for place, axis in enumerate(axes) for mark in axis.marks(place)]
    marks += [_mark(len(axes), 0.0, number(low)), _mark(len(axes), 1.0, number(high))]
    figure["layout"]["annotations"] = marks
    return figure


class _Axis:
    """One vertical axis: where a value stands between 0 and 1."""

    def __init__(self, table: DimensionTable) -> None:
        self.path, self.name = table.path, table.name
        self.scale: Callable[[float], float] = math.log if table.log else float
        if table.numeric:
            self.categories: list[str] = []
            self.ends = [min(p.value for p in table.points), max(p.value for p in table.points)]
        else:
            self.categories = [_choice_text(value) for value in _distinct(table)]

    def position(self, value: Any) -> float | None:
        if value is None:
            return None
        if self.categories:
            text = _choice_text(value)
            return self.categories.index(text) / max(1, len(self.categories) - 1) if text in self.categories else None
        low, high = map(self.scale, self.ends)
        return (self.scale(value) - low) / (high - low or 1)

    def marks(self, place: int) -> list[dict[str, Any]]:
        if self.categories:
            step = 1 / max(1, len(self.categories) - 1)
            return [_mark(place, index * step, category) for index, category in enumerate(self.categories)]
        return [_mark(place, end, setting(value)) for end, value in zip((0.0, 1.0), self.ends, strict=True)]


def _mark(x: float, y: float, text: str) -> dict[str, Any]:
    return {
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "xanchor": "left",
        "xshift": 7,
        "font": {"size": 11, "color": "text"},
        "bgcolor": "surface",
        "borderpad": 1,
    }


def learning_curves(summary: Summary) -> Figure | None:
    """The objective by epoch: every trial in grey (an even sample of them if many), the chosen one in colour."""
    chosen = None if summary.chosen is None else summary.chosen.number
    others = [curve for curve in summary.curves if curve.trial != chosen]
    shown = _sample(others, MAX_CURVES)
    traces = []
    for name, states, colour in (
        ("pruned, failed", {"pruned", "failed"}, "faint"),
        ("complete", {"complete", "running"}, "muted"),
    ):
        members = [curve for curve in shown if curve.state in states]
        if members:
            traces.append(_curve_trace(members, name, {"color": colour, "width": 1}))
    traces += [
        _curve_trace([curve], f"chosen (trial {curve.trial})", {"color": "accent", "width": 3})
        for curve in summary.curves
        if curve.trial == chosen
    ]
    if not traces:
        return None
    longest = max(curve.epochs[-1] for curve in summary.curves)
    return whole_numbers(framed(traces, x="epoch", y=summary.metric, legend=True), longest)


def _curve_trace(curves: Sequence[Curve], name: str, line: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines" if any(len(curve.epochs) > 1 for curve in curves) else "markers",
        "name": name,
        "x": [x for curve in curves for x in (*curve.epochs, None)],
        "y": [y for curve in curves for y in (*curve.values, None)],
        "customdata": [f"trial {curve.trial}" for curve in curves for _ in range(len(curve.epochs) + 1)],
        "line": line,
        "hovertemplate": "%{customdata}, epoch %{x}<br>%{y:.4f}<extra></extra>",
    }


def losses(summary: Summary) -> Figure | None:
    """Train and valid loss of the best trial by epoch: where they part, the model begins to learn by heart."""
    curve = next((c for c in summary.curves if summary.chosen and c.trial == summary.chosen.number), None)
    if curve is None or not curve.train_loss or not curve.valid_loss or len(curve.epochs) < 2:
        return None
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": list(curve.epochs),
            "y": list(values),
            "line": {"color": colour, "width": 2.5},
            "hovertemplate": f"{name}, epoch %{{x}}<br>%{{y:.4f}}<extra></extra>",
        }
        for name, values, colour in (("train", curve.train_loss, "muted"), ("valid", curve.valid_loss, "accent"))
    ]
    figure = framed(traces, x="epoch", y=f"loss of trial {curve.trial}", legend=True)
    return whole_numbers(figure, curve.epochs[-1])


def confusion(report: ClassReport) -> Figure:
    """Rows are true classes; colour is the share of the class, the text is the count."""
    names = [label(name) for name in report.classes]
    shares = [[cell / max(1, sum(row)) for cell in row] for row in report.confusion]
    figure = framed(
        [
            {
                "type": "heatmap",
                "x": names,
                "y": names,
                "z": shares,
                "text": [[str(cell) for cell in row] for row in report.confusion],
                "texttemplate": "%{text}" if len(names) <= 20 else "",
                "colorscale": "accent",
                "zmin": 0,
                "zmax": 1,
                "showscale": False,
                "xgap": 2,
                "ygap": 2,
                "hovertemplate": "true %{y}<br>predicted %{x}<br>%{text} rows, %{z:.1%} of the class<extra></extra>",
            }
        ],
        x="predicted",
        y="true",
    )
    layout = figure["layout"]
    layout["height"] = max(280, min(720, 90 + 54 * len(names)))
    slanted = len(names) > 3 and max(map(len, names)) > 8
    layout["xaxis"].update(type="category", showgrid=False, tickangle=-35 if slanted else 0)
    layout["yaxis"].update(type="category", showgrid=False, autorange="reversed")
    return figure


def _trial_points(rows: Sequence[TrialRow], name: str, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [row.number for row in rows],
        "y": [row.value for row in rows],
        "customdata": [_params_note(row) for row in rows],
        "marker": marker,
        "hovertemplate": "trial %{x}: %{y:.4f}<br>%{customdata}<extra></extra>",
    }


def _sample(items: Sequence[T], most: int) -> Sequence[T]:
    return items[:: max(1, -(-len(items) // most))]


def _params_note(row: TrialRow) -> str:
    names = short_names(row.params)
    return "<br>".join(f"{label(names[path])} = {label(setting(value))}" for path, value in row.params.items())


def _distinct(table: DimensionTable) -> list[Any]:
    values = {_choice_text(point.value): point.value for point in table.points}
    numbers = all(isinstance(value, int | float) for value in values.values())
    return sorted(values.values()) if numbers else [values[text] for text in sorted(values)]


def _categories(table: DimensionTable) -> list[str]:
    return [_choice_text(value) for value in _distinct(table)]


def _choice_text(value: Any) -> str:
    return label(setting(value))


def _decades(table: DimensionTable) -> float:
    values = [point.value for point in table.points]
    return math.log10(max(values) / min(values)) if values else 0.0
