"""Texts that occur more than once: in several parts of a split, or with several labels."""

# N rows, M rows of one part

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from textune.data.base import Rows, Splits
from textune.data.text_columns import TextColumns, column_names
from textune.errors import quoted

__all__ = ["Repeats", "Shared", "advice_to_group"]

Ids = NDArray[np.int64]
PAIRS = (("valid", "train"), ("test", "train"), ("test", "valid"))
"""The part that is scored, and the part that it must not repeat."""


@dataclass(frozen=True)
class Shared:
    """How many rows of a part repeat a text of another part, over all folds.

    Attributes:
        part: the part that is scored: `valid` or `test`.
        other: the part that was seen before: `train` or `valid`.
        exact: rows whose text is in the other part, character by character.
        near: rows whose text is in the other part if case and spaces do not count; includes `exact`.
        rows: of the part.
    """

    part: str
    other: str
    exact: int
    near: int
    rows: int


class Repeats:
    """Equal texts of a data set, known by hashes: 8 bytes a row, however long the texts are.

    Two texts are taken for equal by mistake once in about 10^19 pairs.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.exact_N = _numbered(rows.texts)
        self._near_N = _numbered(" ".join(text.casefold().split()) for text in rows.texts)

    def within(self, ids_M: Ids) -> int:
        """Returns how many of these rows repeat the text of another one of them."""
        return len(ids_M) - len(np.unique(self.exact_N[ids_M]))

    def common_texts(self, parts: Mapping[str, Ids]) -> dict[str, int]:
        """Returns how many distinct texts two parts have in common, for each two parts."""
        return {
            f"{one} and {other}": len(np.intersect1d(self.exact_N[parts[one]], self.exact_N[parts[other]]))
            for one, other in combinations(parts, 2)
        }

    def shared(self, splits: Splits) -> list[Shared]:
        """Returns the pairs of parts in which rows of one repeat texts of the other.

        The test rows are compared with what the chosen config is trained on in the end, if there are several folds.
        """
        found = []
        for part, other in PAIRS:
            pairs = list(_pairs(splits, part, other))
            near = sum(_num_repeated(self._near_N, *pair) for pair in pairs)
            if near:
                exact = sum(_num_repeated(self.exact_N, *pair) for pair in pairs)
                found.append(Shared(part, other, exact, near, sum(len(ids_M) for ids_M, _ in pairs)))
        return found

    def contradiction(self) -> str | None:
        """Returns how many equal texts have different labels, with an example; None if all agree."""
        rows = self._rows
        _, number_N = np.unique(self._near_N, return_inverse=True)
        texts_and_labels = np.unique(np.stack([number_N, rows.labels_N]), axis=1)
        num_labels_U = np.bincount(texts_and_labels[0])
        is_mixed_N = num_labels_U[number_N] > 1
        if not is_mixed_N.any():
            return None
        first = int(np.argmax(is_mixed_N))
        labels = texts_and_labels[1, texts_and_labels[0] == number_N[first]]
        names = " and ".join(quoted(rows.classes[label]) for label in labels[:3])
        num_texts, num_rows = int((num_labels_U > 1).sum()), int(is_mixed_N.sum())
        texts = "1 text has" if num_texts == 1 else f"{num_texts:,} texts have"
        return f"{texts} different labels in {num_rows:,} rows: {quoted(rows.texts[first])} is {names}"


def advice_to_group(text: TextColumns, group: TextColumns | None) -> str:
    """Returns how to keep equal texts in one part; empty if rows are grouped already."""
    columns = column_names(text)
    named = columns[0] if len(columns) == 1 else f"[{', '.join(columns)}]"
    return f"set data.group: {named} to keep equal texts in one part" if group is None else ""


def _numbered(texts: Iterable[str]) -> Ids:
    """Returns a number for each text, the same for equal texts in this process."""
    return np.fromiter((hash(text) for text in texts), dtype=np.int64)


def _pairs(splits: Splits, part: str, other: str) -> Iterable[tuple[Ids, Ids]]:
    folds = splits.folds
    if part == "valid":
        return [(fold.valid, fold.train) for fold in folds]
    if other == "train":
        return [(splits.test, folds[0].train if len(folds) == 1 else splits.final_train)]
    return [(splits.test, folds[0].valid)] if len(folds) == 1 else []  # the valid rows of folds train in the end


def _num_repeated(number_N: Ids, ids_M: Ids, others: Ids) -> int:
    return int(np.isin(number_N[ids_M], number_N[others]).sum())
