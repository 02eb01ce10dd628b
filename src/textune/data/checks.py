"""What a person must know of the rows before anything is trained: where they are from, and what is odd about them."""

# N rows, K classes

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textune.data.base import Rows, Splits
from textune.data.repeats import Repeats, Shared
from textune.errors import DataError, quoted, suggestion

__all__ = ["data_line", "recorded_data_line", "refuse_untrained", "warnings"]

MOST_NAMED = 3
"""Sources, or classes, that one line names."""

MANY = 0.01
"""Of the rows of a part: from here on, how many repeat texts of another part may change its score."""

Ids = NDArray[np.int64]
MISSING = frozenset({"", "-", "--", "?", "#n/a", "n/a", "n.a.", "na", "nan", "nil", "none", "null", "<na>"})
"""What people write for a label that is missing, in lower case."""


def data_line(rows: Rows, splits: Splits) -> str:
    """Returns the source of the rows and how many train, choose and test: the first line of a run.

    Of several folds, train and valid are those of the first, as in `describe`.
    """
    fold = splits.folds[0]
    parts = {"train": len(fold.train), "valid": len(fold.valid), "test": len(splits.test)}
    return _data_line(rows.sources, len(rows), len(splits.folds), parts)


def recorded_data_line(statistics: Mapping[str, Any]) -> str:
    """Returns the line of `data_line` for data that was described before: from the statistics in `study.json`."""
    parts = {part: int(numbers["rows"]) for part, numbers in statistics["splits"].items()}
    return _data_line(statistics["sources"], int(statistics["rows"]), int(statistics["folds"]), parts)


def _data_line(sources: Sequence[str], num_rows: int, num_folds: int, parts: Mapping[str, int]) -> str:
    train, valid, test = (parts.get(part, 0) for part in ("train", "valid", "test"))
    learned = f"train {train:,}, valid {valid:,}"
    if num_folds > 1:
        learned = f"{num_folds} folds ({learned} in the first)"
    return f"{_some(_short(source) for source in sources) or 'data'}: {num_rows:,} rows; {learned}, test {test:,}"


def refuse_untrained(rows: Rows, splits: Splits) -> None:
    """Refuses a division in which nothing can be learned of what is scored.

    Raises:
        DataError: no class of a valid part, or of the test rows, has a train row.
    """
    for part, trained, scored in _scored_parts(rows, splits):
        if len(scored) and not len(np.intersect1d(trained, scored)):
            names, known = (_some(quoted(rows.classes[index]) for index in indices) for indices in (scored, trained))
            raise DataError(
                f"no label of the {part} rows has a train row: they are {names}, and those of the train rows "
                f"{known}; give each class one name in all parts, or divide the rows in another way"
            )


def warnings(rows: Rows, splits: Splits, repeats: Repeats, remedy: str = "") -> tuple[str, ...]:
    """Returns a sentence for everything that may make the scores of a study mean something else, most important first.

    Args:
        rows: the data as loaded.
        splits: who trains, chooses and tests.
        repeats: of the same rows.
        remedy: what keeps equal texts in one part; empty if nothing does.
    """
    contradiction = repeats.contradiction()
    found = [
        *_untrained(rows, splits),
        *_shared(repeats.shared(splits), remedy),
        *_alike(rows),
        *_missing(rows),
        *([contradiction] if contradiction else []),
        *_rare(rows, splits),
    ]
    return tuple(found)


def _scored_parts(rows: Rows, splits: Splits) -> list[tuple[str, Ids, Ids]]:
    """Returns the parts that are scored: name, class indices of the rows that train for it, and its own."""
    several = len(splits.folds) > 1
    parts = [
        (f"valid ({splits.name(number)})" if several else "valid", fold.train, fold.valid)
        for number, fold in enumerate(splits.folds)
    ]
    parts.append(("test", splits.final_train if several else splits.folds[0].train, splits.test))
    return [(name, np.unique(rows.labels_N[train]), np.unique(rows.labels_N[ids])) for name, train, ids in parts]


def _untrained(rows: Rows, splits: Splits) -> list[str]:
    sentences = []
    for part, trained, scored in _scored_parts(rows, splits):
        names = [rows.classes[index] for index in np.setdiff1d(scored, trained)]
        if names:
            known = [rows.classes[index] for index in trained]
            shown = _some(f"{quoted(name)}{_guess(name, known)}" for name in names)
            sentences.append(f"no train row has these labels of {part} rows, which no model can predict: {shown}")
    if len(sentences) > MOST_NAMED:  # of many folds
        return [*sentences[: MOST_NAMED - 1], f"{len(sentences) - MOST_NAMED + 1} more parts have such labels"]
    return sentences


def _shared(shared: Sequence[Shared], remedy: str) -> list[str]:
    if not shared:
        return []
    counts = [
        f"{each.near:,} of {each.rows:,} {each.part} rows in {each.other}"
        + (f" ({each.exact:,} exactly)" if each.exact < each.near else "")
        for each in shared
    ]
    many = any(each.near > MANY * each.rows for each in shared)
    advice = f"; {remedy}" if remedy else ""
    return [f"texts occur in two parts{', so scores may reflect memory' * many}: {', '.join(counts)}{advice}"]


def _alike(rows: Rows) -> list[str]:
    """Says which classes a person would read as one."""
    alike: dict[str, list[int]] = {}
    for index, name in enumerate(rows.classes):
        alike.setdefault(_bare(name), []).append(index)
    counts_K = np.bincount(rows.labels_N, minlength=len(rows.classes))
    sets = [
        " and ".join(_counted(rows.classes[index], counts_K[index]) for index in indices)
        for indices in alike.values()
        if len(indices) > 1
    ]
    why = "differ only in case, spaces or the form of characters; give them one name if they mean the same"
    return [f"classes {_some(sets)} {why}"] if sets else []


def _missing(rows: Rows) -> list[str]:
    counts_K = np.bincount(rows.labels_N, minlength=len(rows.classes))
    names = [
        _counted(name, counts_K[index]) for index, name in enumerate(rows.classes) if name.strip().lower() in MISSING
    ]
    counted = "is a class of its own" if len(names) == 1 else "are classes of their own"
    return [f"{_some(names)} {counted}; empty these cells if they mean a missing label"] if names else []


def _rare(rows: Rows, splits: Splits) -> list[str]:
    """Says which classes are barely learned, or never chosen by."""
    num_classes = len(rows.classes)
    counts = [np.bincount(rows.labels_N[fold.train], minlength=num_classes) for fold in splits.folds]
    once = np.flatnonzero(np.min(counts, axis=0) == 1)
    valid = np.unique(np.concatenate([rows.labels_N[fold.valid] for fold in splits.folds]))
    trained = np.flatnonzero(np.max(counts, axis=0))
    parts = []
    for indices, what in ((once, "one train row"), (np.setdiff1d(trained, valid), "no valid row")):
        if len(indices):
            names = _some(quoted(rows.classes[index]) for index in indices)
            parts.append(f"{what} for {'class' if len(indices) == 1 else f'{len(indices)} classes'} {names}")
    return [f"there is {', and '.join(parts)}"] if parts else []


def _counted(name: str, num_rows: int) -> str:
    return f"{quoted(name)} ({num_rows:,} row{'' if num_rows == 1 else 's'})"


def _bare(name: str) -> str:
    """Returns a class name without what a reader overlooks."""
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", unicodedata.normalize("NFKC", name).casefold().strip())


def _guess(name: str, known: Sequence[str]) -> str:
    same = next((other for other in known if _bare(other) == _bare(name)), None)
    hint = f"; did you mean {quoted(same)}?" if same is not None else suggestion(name, known)
    return f" ({hint.removeprefix('; ')})" if hint else ""


def _some(names: Iterable[str]) -> str:
    """Returns the first few names, and how many more there are."""
    names = list(names)
    more = len(names) - MOST_NAMED
    return ", ".join(names if more <= 0 else [*names[:MOST_NAMED], f"{more} more"])


def _short(source: str) -> str:
    """Returns a path as seen from the current folder, if it is in there."""
    path, here = Path(source), Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else source
