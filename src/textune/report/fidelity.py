"""What short forms are worth: a table on a terminal, and a page with the valid loss of every configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textune.report.frame import Figure, framed, label, whole_numbers
from textune.report.markup import Cell, escaped, table
from textune.report.page import document
from textune.storage import write_atomically
from textune.tracking.wording import NONE, number, params_text, percent, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["fidelity_table", "recommendation", "write_fidelity_page"]

Found = Mapping[str, Any]
HEADS = ("form", "cost", "Kendall", "Spearman", "regret", "at most")
READ = (
    "Cost: of the time that training in full takes. Kendall, Spearman: rank correlation with a training in full of "
    "another seed, with its 95% interval; that of the full form is the ceiling. Regret: how much worse its choice is "
    "than that of a training in full, judged by trainings that had no part in the choice; at most: its 95% bound."
)


def recommendation(found: Found) -> str:
    """Returns the line to put into the study, or why there is none."""
    if found["recommended"] is None:
        return "none: no short form is good enough; search in full"
    settings = ", ".join(f"{name}: {value:g}" for name, value in found["recommended"].items())
    return f"short: {{{settings}}}"


def fidelity_table(found: Found) -> RenderableType:
    """Returns what `textune fidelity` prints."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for head in HEADS:
        shown.add_column(head, justify="left" if head == "form" else "right", no_wrap=True)
    for form in (found["ceiling"], *found["forms"]):
        shown.add_row(*_row(form), style=_style(form, found, "bold cyan"))
    metric, amount = plain(found["objective"]["metric"]), len(found["configurations"])
    return Group(
        Text.assemble((plain(found["name"]), "bold"), f"  {metric} · {amount} configurations"),
        shown,
        Text(READ, style="dim"),
        *(Text(plain(_sentence(note)), style="dim") for note in found["notes"]),
        Text.assemble(("recommended  ", "dim"), (recommendation(found), "bold"), (f"  {_margin(found)}", "dim")),
    )


def write_fidelity_page(path: Path, found: Found) -> None:
    """Writes the page."""
    forms = [found["ceiling"], *found["forms"]]
    classes = ["name", *["number"] * (len(HEADS) - 1)]
    rows = [[Cell(*each) for each in zip(_row(form), classes, strict=True)] for form in forms]
    heads = [Cell(*each) for each in zip(HEADS, classes, strict=True)]
    styles = [_style(form, found, "winner") for form in forms]
    notes = "".join(f"<li>{escaped(_sentence(note))}</li>" for note in found["notes"])
    body = (
        f'<header><span class="brand">Textune</span></header><h1>{escaped(found["name"])}: short forms</h1>'
        f'<div class="card"><div class="label">Recommended</div><p><code>{escaped(recommendation(found))}</code></p>'
        f'<p class="soft">{escaped(_margin(found))}</p><ul class="notes">{notes}</ul></div>'
        f'<div class="card"><p class="soft">{escaped(READ)}</p>{table(heads, rows, styles)}</div>'
        '<h2>Regret and cost</h2><div class="card"><div class="plot" data-figure="0"></div></div>'
        '<h2>Valid loss by epoch</h2><p class="soft">Each configuration, trained in full; means over the folds. Where '
        'the lines cross late, few epochs choose another one.</p><div class="card">'
        '<div class="plot" data-figure="1"></div></div>'
    )
    write_atomically(path, document(found["name"], body, [_regrets(found), _losses(found)]))


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."


def _row(form: Found) -> tuple[str, ...]:
    """Returns a line of the table; that of the full form says what it is, and its regret is none by definition."""
    is_short = bool(form["short"])
    regrets = (number(form["regret"]), number(form["regret_bound"])) if is_short else (NONE, NONE)
    name = form["form"] if is_short else "in full (the ceiling)"
    return (name, percent(form["cost"]), _correlation(form["kendall"]), _correlation(form["spearman"]), *regrets)


def _correlation(measured: Mapping[str, float | None]) -> str:
    if measured["value"] is None:
        return NONE
    low, high = (NONE if measured[end] is None else f"{measured[end]:.2f}" for end in ("low", "high"))
    return f"{measured['value']:.2f} ({low} – {high})"


def _style(form: Found, found: Found, style: str) -> str:
    return style if form["short"] and form["short"] == found["recommended"] else ""


def _margin(found: Found) -> str:
    return f"the cheapest whose regret is at most {found['margin']:g}, if there is one"


def _regrets(found: Found) -> Figure:
    groups: dict[str, list[Found]] = {"muted": [], "accent": []}
    for form in found["forms"]:
        groups[_style(form, found, "accent") or "muted"].append(form)
    traces = [_regret_points(forms, colour) for colour, forms in groups.items() if forms]
    figure = framed(traces, x="cost, as a share of training in full", y="regret, and its bound")
    figure["layout"]["xaxis"]["tickformat"] = ".0%"
    return figure


def _regret_points(forms: Sequence[Found], colour: str) -> dict[str, Any]:
    above = [max(form["regret_bound"] - form["regret"], 0.0) for form in forms]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [form["cost"] for form in forms],
        "y": [form["regret"] for form in forms],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": above,
            "arrayminus": [0.0] * len(forms),
            "color": colour,
        },
        "customdata": [label(form["form"], 60) for form in forms],
        "marker": {"size": 8, "color": colour},
        "hovertemplate": "%{customdata}<br>cost %{x:.1%}<br>regret %{y:.4f}<extra></extra>",
    }


def _losses(found: Found) -> Figure:
    curves: Sequence[Found] = found["configurations"]
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": list(range(1, len(curve["valid_loss"]) + 1)),
            "y": curve["valid_loss"],
            "line": {
                "color": "accent" if curve["number"] == 0 else "muted",
                "width": 2.5 if curve["number"] == 0 else 1,
            },
            "marker": {"size": 3},
            "customdata": [label(_named(curve), 100)] * len(curve["valid_loss"]),
            "hovertemplate": "%{customdata}<br>epoch %{x}: %{y:.4f}<extra></extra>",
        }
        for curve in curves
    ]
    longest = max((len(curve["valid_loss"]) for curve in curves), default=1)
    return whole_numbers(framed(traces, x="epoch", y="valid loss"), longest)


def _named(configuration: Found) -> str:
    """The study as written is the one drawn in colour."""
    written = " (as written)" if configuration["number"] == 0 else ""
    return f"configuration {configuration['number']}{written}  {params_text(configuration['params'])}"
