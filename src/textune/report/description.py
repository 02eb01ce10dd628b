"""The statistics of a data set on a terminal: what `textune describe` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textune.tracking.wording import count, percent, plain

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["description"]


def description(statistics: Mapping[str, Any]) -> RenderableType:
    """Returns tables of rows, lengths and labels by split, and lines on what deserves a look."""
    from rich.console import Group
    from rich.text import Text

    facts = [f"{count(statistics['rows'])} rows", f"vocabulary of {count(statistics['vocabulary_size'])}"]
    if statistics["folds"] > 1:
        facts.append(f"{statistics['folds']} folds (train and valid are those of the first)")
    if statistics["rows_in_no_split"]:
        facts.append(f"{count(statistics['rows_in_no_split'])} rows in no split")
    notes = [
        f"{word}: {count(number)} row{'' if number == 1 else 's'}, {plain(reason)}"
        for word in ("skipped", "changed")
        for reason, number in statistics[word].items()
    ]
    notes += [plain(note) for note in statistics["notes"]]
    notes += [f"warning: {plain(warning)}" for warning in statistics["warnings"]]
    ranges = (Text(), _ranges(statistics["ranges"])) if "ranges" in statistics else ()
    return Group(
        Text(", ".join(facts)),
        _splits(statistics["splits"]),
        Text(),
        _labels(statistics["labels"]),
        *ranges,
        *(Text(note, style="yellow") for note in notes),
    )


def _splits(splits: Mapping[str, Any]) -> Table:
    table = _table("", "rows", "repeated texts", "tokens: mean", "median", "range", "unknown", "cut")
    for name, split in splits.items():
        table.add_row(
            name,
            count(split["rows"]),
            count(split["repeated_texts"]),
            f"{split['tokens_mean']:.1f}",
            f"{split['tokens_median']:g}",
            f"{split['tokens_min']}–{split['tokens_max']}",
            percent(split["unknown_share"]),
            percent(split["cut_share"]),
        )
    return table


def _labels(labels: Mapping[str, Any]) -> Table:
    classes = list(next(iter(labels.values())))
    table = _table("label", *labels)
    for name in classes:
        cells = [
            f"{count(each[name])} ({percent(each[name] / max(1, sum(each.values())))})" for each in labels.values()
        ]
        table.add_row(plain(str(name)), *cells)
    return table


def _ranges(ranges: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("range", "train: from", "to", "rows", "valid: from", "to", "rows")
    for each in ranges:
        cells = [(part["first"], part["last"], count(part["rows"])) for part in (each["train"], each["valid"])]
        table.add_row(plain(each["name"]), *cells[0], *cells[1])
    return table


def _table(first: str, *names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(first, no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table
