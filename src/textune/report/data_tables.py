"""The statistics of the data, as `describe` gives them, as HTML tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textune.report.markup import Cell, escaped, table
from textune.tracking.wording import count, percent, plain

__all__ = ["data_tables"]

COLUMNS = {
    "rows": "rows",
    "rows_scored": "scored",
    "repeated_texts": "repeated texts",
    "tokens_mean": "tokens: mean",
    "tokens_median": "median",
    "tokens_min": "least",
    "tokens_max": "most",
    "unknown_share": "unknown",
    "cut_share": "texts cut",
}
NUMBERS = {
    "vocabulary_size": "vocabulary",
    "folds": "folds",
    "groups": "groups of rows kept together",
    "rows_in_no_split": "rows in no split",
}


def data_tables(statistics: Mapping[str, Any]) -> str:
    """Returns the tables as cards; empty without statistics."""
    if not statistics:
        return ""
    cards = (
        *(f'<div class="warning">{escaped(warning)}</div>' for warning in statistics.get("warnings", ())),
        _card("", _splits(statistics.get("splits", {}))),
        _card("Rows by label", _labels(statistics.get("labels", {}))),
        _card("Ranges of dates", _ranges(statistics["ranges"])) if statistics.get("ranges") else "",
        _card("", _particulars(statistics)),
    )
    return "".join(cards)


def _card(title: str, body: str) -> str:
    head = f"<h3>{escaped(title)}</h3>" if title else ""
    return f'<div class="card">{head}<div class="scroll">{body}</div></div>'


def _splits(splits: Mapping[str, Mapping[str, float]]) -> str:
    names = [name for name in COLUMNS if any(name in numbers for numbers in splits.values())]
    heads = [Cell("split"), *(Cell(COLUMNS[name], "number") for name in names)]
    rows = [
        [Cell(split), *(Cell(_value(name, numbers.get(name)), "number") for name in names)]
        for split, numbers in splits.items()
    ]
    return table(heads, rows)


def _labels(labels: Mapping[str, Mapping[str, int]]) -> str:
    classes = list(dict.fromkeys(name for counts in labels.values() for name in counts))
    heads = [Cell("class"), *(Cell(split, "number") for split in labels)]
    rows = [[Cell(name), *(Cell(_of_all(name, counts), "number") for counts in labels.values())] for name in classes]
    return table(heads, rows)


def _ranges(ranges: Sequence[Mapping[str, Any]]) -> str:
    heads = [
        Cell("range"),
        *(Cell(head, "number") for head in ("train: from", "to", "rows", "valid: from", "to", "rows")),
    ]
    rows = []
    for each in ranges:
        cells = [Cell(plain(each["name"]))]
        for part in (each["train"], each["valid"]):
            cells += [Cell(text, "number") for text in (part["first"], part["last"], count(part["rows"]))]
        rows.append(cells)
    return table(heads, rows)


def _of_all(name: str, counts: Mapping[str, int]) -> str:
    return f"{count(counts.get(name, 0))} ({percent(counts.get(name, 0) / max(1, sum(counts.values())))})"


def _particulars(statistics: Mapping[str, Any]) -> str:
    pairs = [(text, count(statistics[name])) for name, text in NUMBERS.items() if statistics.get(name)]
    shared = statistics.get("texts_in_two_splits", {})
    pairs += [(f"texts in both {splits}", count(shared_texts)) for splits, shared_texts in shared.items()]
    pairs += [(f"rows skipped: {reason}", count(rows)) for reason, rows in statistics.get("skipped", {}).items()]
    pairs += [(f"rows changed: {change}", count(rows)) for change, rows in statistics.get("changed", {}).items()]
    pairs += [("note", plain(note)) for note in statistics.get("notes", ())]
    pairs += [
        (f"dates, {split}", f"{dates['first']} – {dates['last']}")
        for split, dates in statistics.get("dates", {}).items()
    ]
    pairs += [("source", plain(source)) for source in statistics.get("sources", [])]
    if fingerprint := statistics.get("fingerprint"):
        pairs.append(("fingerprint", str(fingerprint)[:12]))
    return table([], [[Cell(name), Cell(value, "text")] for name, value in pairs])


def _value(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name.endswith("_share"):
        return percent(value)
    return count(value) if float(value).is_integer() else f"{value:,.1f}"
