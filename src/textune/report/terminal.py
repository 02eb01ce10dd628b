"""A study on a terminal: what won, by how much, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textune.records import StudyRecord, TrialState
from textune.report.ablation import ablations, difference_text
from textune.report.verdict import standings, verdict
from textune.tracking.wording import duration, number, params_text, percent, plain, setting, short_names

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType
    from rich.table import Table

    from textune.report.ablation import Ablation

__all__ = ["show"]

STYLES = {"warning": "yellow", "good": "green", "finding": "", "note": "dim"}


def show(record: StudyRecord, run_folder: Path | None = None) -> RenderableType:
    """Returns what `textune show` prints and a run ends with; with a run folder, also where report and model are."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    counts = [f"{record.count(state)} {state.value}" for state in TrialState if record.count(state)]
    trials = "1 trial" if len(record.trials) == 1 else f"{len(record.trials)} trials"
    head = " · ".join([record.state, trials, *counts, duration(record.seconds)])
    lines: list[RenderableType] = [Text.assemble((plain(record.name), "bold"), f"  {head}")]
    statements = verdict(record)
    lines += [Text(s.text, style=STYLES[s.level]) for s in statements if s.level == "warning"]
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(plain(record.objective.metric.partition(".")[2]), no_wrap=True)
    lines_shown = standings(record)
    repeated = any(line.repeats is not None for line in lines_shown)
    for name in ("valid", *(["mean of repeats"] if repeated else []), "test"):
        table.add_column(name, justify="right")
    for line in lines_shown:
        is_chosen = line.role == "chosen"
        tested = number(line.test) + (_interval(record) if is_chosen else "")
        again = [number(line.repeats)] if repeated else []
        table.add_row(Text(line.name), number(line.valid), *again, tested, style="bold cyan" if is_chosen else "")
    if table.row_count:
        lines.append(table)
    if record.chosen is not None and record.chosen.spec.choices:
        lines.append(Text.assemble(("params  ", "dim"), params_text(record.chosen.spec.choices)))
    lines += [Text(s.text, style=STYLES[s.level]) for s in statements if s.level != "warning"]
    for ablation in ablations(record, run_folder):
        lines += ["", _effects(ablation)]
        lines += [Text(line) for line in ablation.statements()]
        lines += [Text(line, style=STYLES["note"]) for line in ablation.notes()]
    lines += [Text.assemble((f"{name}  ", "dim"), plain(path)) for name, path in _places(run_folder)]
    return Group(*lines)


def _effects(ablation: Ablation) -> Table:
    """Returns a line for each value of each setting that was varied alone."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("setting", "value"):
        table.add_column(head, overflow="fold")
    for head in ("valid", "best", "s/epoch", "to the base", "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    names = short_names(ablation.dimensions)
    for effect in (ablation.base, *ablation.effects):
        epoch, seconds = effect.mean("best_epoch"), effect.mean("seconds_per_epoch")
        table.add_row(
            Text(names.get(effect.path, "as written")),
            Text(setting(effect.value) if effect.path else ""),
            number(effect.mean(ablation.objective.metric)),
            "–" if epoch is None else f"{epoch:.3g}",
            "–" if seconds is None else f"{seconds:.3g}",
            *difference_text(effect, ablation),
            style="bold cyan" if ablation.is_better(effect) else "",
        )
    return table


def _interval(record: StudyRecord) -> str:
    interval = (record.test or {}).get("interval")
    if not interval:
        return ""
    level = percent(interval["level"]).replace(".0", "")
    return f" ({level}: {number(interval['low'])} – {number(interval['high'])})"


def _places(run_folder: Path | None) -> list[tuple[str, Path]]:
    if run_folder is None:
        return []
    places = (("report", run_folder / "report.html"), ("model ", run_folder / "best"))
    return [(name, path) for name, path in places if path.exists()]
