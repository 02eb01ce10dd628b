"""The sections of the report page as HTML. All text passes `escaped`; the figures are returned beside it."""

from __future__ import annotations

import html
import json
import shlex
from typing import TYPE_CHECKING

from textune.records import TrialState
from textune.report import expected
from textune.report import figures as draw
from textune.report.ablation import ablation_section
from textune.report.confirmation import race_section
from textune.report.data_tables import data_tables
from textune.report.markup import Cell, escaped, table
from textune.report.ranges import range_section
from textune.storage import redact
from textune.tracking.wording import count, duration, number, percent, plain, setting, short_names, signed

if TYPE_CHECKING:
    from collections.abc import Callable

    from textune.report.frame import Figure
    from textune.report.summary import DimensionTable, Summary, TrialRow
    from textune.report.verdict import Standing

__all__ = ["render"]

SIGNIFICANT = 0.05


def render(summary: Summary, run: str, *, has_model: bool) -> tuple[str, list[Figure]]:
    """Returns the body of the page, and the figures its `data-figure` numbers point at.

    Args:
        summary: what the page says.
        run: the run folder as commands name it.
        has_model: whether the run folder holds a model to predict with.
    """
    figures: list[Figure] = []

    def plot(figure: Figure) -> str:
        figures.append(figure)
        return f'<div class="plot" data-figure="{len(figures) - 1}"></div>'

    sections: tuple[str, ...] = (
        _header(summary),
        _first_screen(summary),
        _command(run) if has_model else "",
        race_section(summary.race, plot),
        *(ablation_section(ablation) for ablation in summary.ablations),
        range_section(summary.ranges, plot),
        _search(summary, plot),
        _settings(summary, plot),
        _learning(summary, plot),
        _classes(summary, plot),
        _data(summary),
        _time(summary),
        _trials(summary),
        _footer(summary, run),
    )
    return "\n".join(section for section in sections if section), figures


def _header(summary: Summary) -> str:
    counts = [f"{count(len(summary.trials))} {'trial' if len(summary.trials) == 1 else 'trials'}"]
    counts += [f"{summary.count(state)} {state.value}" for state in TrialState if summary.count(state)]
    line = " · ".join([escaped(summary.state), *counts, duration(summary.time.total)])
    return f'<header><span class="brand">Textune</span><span class="soft">{line}</span></header>'


def _first_screen(summary: Summary) -> str:
    warnings = "".join(
        f'<p class="warning" role="alert">{escaped(s.text)}</p>' for s in summary.verdict if s.level == "warning"
    )
    notes = "".join(f'<li class="{s.level}">{escaped(s.text)}</li>' for s in summary.verdict if s.level != "warning")
    title = f"<h1>{escaped(summary.name)}</h1>{warnings}"
    if summary.chosen is None:
        return f'{title}<ul class="notes">{notes}</ul>{_standings(summary)}'
    return (
        f'{title}<div class="card"><div class="hero"><div>{_score(summary)}{_chips(summary.chosen)}</div>'
        f'<div>{_standings(summary)}<ul class="notes">{notes}</ul></div></div></div>'
    )


def _score(summary: Summary) -> str:
    name = summary.metric.partition(".")[2]
    readable = escaped(name.replace("_", " "))
    chosen = summary.chosen
    tested = (summary.test.get("metrics") or {}).get(f"test.{name}")
    if chosen is None:
        return ""
    valid = f"valid {number(chosen.value)}, trial {chosen.number}, epoch {chosen.best_epoch}"
    if tested is not None:
        interval = summary.test.get("interval") or {}
        within = _within(interval.get("level", 0.95), interval.get("low"), interval.get("high"))
        below = f"{within}{count(summary.test.get('num_rows'))} rows<br>{valid}"
        return _big(f"Test {readable}", tested, below)
    estimate = None if summary.race is None else summary.race.estimate
    if estimate is not None:
        within = _within(0.95, *(estimate.get("interval") or (None, None)))
        below = f"{within}{len(estimate['values'])} trainings after the decision<br>{valid}; no test score"
        return _big(f"Estimated {readable}", estimate["mean"], below)
    return _big(f"Valid {readable}", chosen.value, f"optimistic: it was chosen by<br>{valid}; no test score")


def _within(level: float, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f"{percent(level).replace('.0', '')} interval {number(low)} – {number(high)}, "


def _big(name: str, score: float | None, below: str) -> str:
    return f'<div class="label">{name}</div><div class="score">{number(score)}</div><p class="soft">{below}</p>'


def _chips(row: TrialRow) -> str:
    names = short_names(row.choices)
    chips = "".join(
        f'<li title="{escaped(path)}">{escaped(names[path])} <b>{escaped(setting(value))}</b></li>'
        for path, value in row.choices.items()
    )
    return f'<ul class="params">{chips}</ul>' if chips else ""


def _standings(summary: Summary) -> str:
    lines = summary.standings
    if not lines:
        return ""
    chosen = next((line for line in lines if line.role == "chosen"), None)
    repeated = any(line.repeats is not None for line in lines)
    longest = max((abs(line.valid) for line in lines if line.valid is not None), default=1.0) or 1.0
    rows = [
        [
            Cell(line.name, "name"),
            Cell(number(line.valid), "number"),
            *([Cell(number(line.repeats), "number")] if repeated else []),
            Cell(number(line.test), "number"),
            Cell(_gain(chosen, line), "number"),
            *([] if repeated else [Cell(_bar(line.valid, longest), "bar", markup=True)]),
        ]
        for line in lines
    ]
    metric = summary.metric.partition(".")[2].replace("_", " ")
    lower = ", lower is better" if summary.direction == "minimize" else ""
    heads = [
        Cell(f"{metric}{lower}"),
        *(Cell(head, "number") for head in ("valid", *(["repeated"] if repeated else []), "test", "against it")),
        *([] if repeated else [Cell("valid", "bar")]),
    ]
    return table(heads, rows, ["winner" if line.role == "chosen" else "" for line in lines])


def _bar(score: float | None, longest: float) -> str:
    return "" if score is None else f'<i style="width:{100 * abs(score) / longest:.1f}%"></i>'


def _gain(chosen: Standing | None, line: Standing) -> str:
    if chosen is None or line is chosen:
        return ""
    for split, ours, theirs in (("test", chosen.test, line.test), ("valid", chosen.valid, line.valid)):
        if ours is not None and theirs is not None:
            return f"{signed(ours - theirs)} {split}"
    return ""


def _command(run: str) -> str:
    command = f"textune predict {shlex.quote(run)} reviews.csv --output predictions.csv"
    return f'<div class="card command"><span class="label">Use it</span><code>{escaped(command)}</code></div>'


def _search(summary: Summary, plot: Callable[[Figure], str]) -> str:
    if len(summary.trials) < 2:
        return ""
    figure = f'<div class="card">{plot(draw.best_so_far(summary))}</div>' if summary.best_so_far else ""
    if summary.expected is not None:
        caption = f"<figcaption>{escaped(summary.expected.caption)}</figcaption>"
        figure += (
            f'<figure class="card"><h3>The best of n trials</h3>{caption}{plot(expected.figure(summary.expected))}'
            "</figure>"
        )
    endings = table(
        [Cell("end"), Cell("trials", "number"), Cell("meaning"), Cell("for example")],
        [
            [
                Cell(ending.reason),
                Cell(count(ending.num_trials), "number"),
                Cell(ending.sentence),
                Cell("trial " + ", ".join(map(str, ending.examples))),
            ]
            for ending in summary.endings
        ],
    )
    return f'<h2 id="search">The search</h2>{figure}<div class="card">{endings}</div>'


def _settings(summary: Summary, plot: Callable[[Figure], str]) -> str:
    if not summary.dimensions or summary.chosen is None:
        return ""
    cards = "".join(
        f'<figure class="card"><h3 title="{escaped(dimension.path)}">{escaped(dimension.name)}</h3>'
        f"<figcaption>{escaped(_association(dimension))}</figcaption>"
        f"{plot(draw.dimension(dimension, summary.metric, summary.chosen.number))}</figure>"
        for dimension in summary.dimensions
    )
    lines = draw.parallel_coordinates(summary)
    parallel = ""
    if lines:
        caption = "<figcaption>one line per completed trial; an even sample where there are very many</figcaption>"
        parallel = f'<figure class="card"><h3>All settings together</h3>{caption}{plot(lines)}</figure>'
    return (
        '<h2 id="settings">What mattered</h2><p class="lead">Each setting against the objective, those that went along '
        "with it most first: a hint, not a proof. The share is how much of the ranks of completed trials one setting "
        "explains by itself; a trial that was stopped is drawn hollow, at its best score until then, and not counted. "
        "The chosen one is blue.</p>"
        f'<div class="grid">{cards}</div>{parallel}'
    )


def _association(dimension: DimensionTable) -> str:
    found = dimension.association
    if found is None:
        text = "too few completed trials to tell"
    elif found.p_value > SIGNIFICANT:
        text = f"no effect beyond chance (p = {found.p_value:.2f})"
    else:
        shown = f"p = {found.p_value:.3f}" if found.p_value >= 0.0015 else "p ≤ 0.001"
        text = f"explains {percent(found.share)} of the ranks ({shown})"
    if not dimension.num_absent:
        return text
    return f"{text}; absent in {dimension.num_absent} {'trial' if dimension.num_absent == 1 else 'trials'}"


def _learning(summary: Summary, plot: Callable[[Figure], str]) -> str:
    curves, losses = draw.learning_curves(summary), draw.losses(summary)
    if curves is None:
        return ""
    cards = "".join(f'<div class="card">{plot(figure)}</div>' for figure in (curves, losses) if figure)
    sampled = len(summary.curves) > draw.MAX_CURVES + 1
    note = f'<p class="lead">An even sample of the {count(len(summary.curves))} trials.</p>' if sampled else ""
    return f'<h2 id="learning">Learning curves</h2>{note}<div class="{"pair" if losses else ""}">{cards}</div>'


def _classes(summary: Summary, plot: Callable[[Figure], str]) -> str:
    report = summary.classes
    if report is None:
        return ""
    rows = [
        [
            Cell(plain(name)),
            Cell(number(report.precision[k]), "number"),
            Cell(number(report.recall[k]), "number"),
            Cell(number(report.f1[k]), "number"),
            Cell(count(report.support[k]), "number"),
        ]
        for k, name in enumerate(report.classes)
    ]
    heads = [Cell("class"), *(Cell(head, "number") for head in ("precision", "recall", "F1", "rows"))]
    where = (
        "On the test rows, read for the chosen trial."
        if report.split == "test"
        else "On the valid rows, by which the trial was chosen: optimistic. The test rows were not read."
    )
    return (
        f'<h2 id="classes">Where it errs</h2><p class="lead">{where}</p><div class="pair">'
        f'<div class="card">{plot(draw.confusion(report))}</div>{_scrolling(table(heads, rows))}</div>'
    )


def _data(summary: Summary) -> str:
    tables = data_tables(summary.data)
    return f'<h2 id="data">The data</h2>{tables}' if tables else ""


def _time(summary: Summary) -> str:
    time = summary.time
    rows = [
        ("the whole study", duration(time.total)),
        ("all trials together", duration(time.training)),
        ("a trial (median)", duration(time.per_trial)),
        ("an epoch (median)", duration(time.per_epoch)),
    ]
    cells = [[Cell(name), Cell(value, "number")] for name, value in rows]
    return f'<h2 id="time">Time spent</h2><div class="card">{table([], cells)}</div>'


def _trials(summary: Summary) -> str:
    paths = list(dict.fromkeys(path for row in summary.trials for path in row.params))
    metrics = list(dict.fromkeys(name for row in summary.trials for name in row.metrics if name.startswith("valid.")))
    names = short_names(paths)
    heads = [Cell("trial", "number"), Cell("end")]
    heads += [Cell(name.partition(".")[2].replace("_", " "), "number") for name in metrics]
    heads += [Cell("best epoch", "number"), Cell("epochs", "number"), Cell("time", "number")]
    heads += [Cell(names[path], "number", title=path) for path in paths]
    chosen = None if summary.chosen is None else summary.chosen.number
    rows, classes = [], []
    for row in summary.trials:
        cells = [Cell(str(row.number), "number"), Cell(row.reason.partition(":")[0], title=plain(row.reason))]
        cells += [Cell(number(row.metrics.get(name)), "number") for name in metrics]
        cells += [Cell(count(row.best_epoch), "number"), Cell(count(row.epochs), "number")]
        cells += [Cell(duration(row.seconds), "number")]
        cells += [Cell(setting(row.choices[path]) if path in row.choices else "", "number") for path in paths]
        rows.append(cells)
        classes.append("winner" if row.number == chosen else row.state)
    return f'<h2 id="trials">All trials</h2>{_scrolling(table(heads, rows, classes))}'


def _scrolling(content: str) -> str:
    return f'<div class="card"><div class="scroll">{content}</div></div>'


def _footer(summary: Summary, run: str) -> str:
    header = summary.header
    versions = {name: header[name] for name in ("textune", "python") if name in header} | dict(
        header.get("versions", {})
    )
    made = ", ".join(f"{escaped(name)} {escaped(str(version))}" for name, version in versions.items())
    study = ""
    if config := header.get("config"):
        text = html.escape(redact(json.dumps(config, indent=2)))
        study = f"<details><summary>The study, every setting</summary><pre>{text}</pre></details>"
    return f"<footer>{study}<p>{escaped(run)}{' · ' + made if made else ''}</p></footer>"
