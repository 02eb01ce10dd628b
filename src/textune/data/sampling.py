"""Rows dealt to parts in given shares, each stratum in proportion and each group whole: `max_rows` and the splits."""

# N rows, U units (a group, or a row that stands alone), S strata, P parts

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from textune.data.base import Rows
from textune.errors import DataError
from textune.seeds import generator

__all__ = ["deal", "fingerprinted", "sample", "take"]

Ids = NDArray[np.int64]

TEXTS_AT_ONCE = 4_096

_ROUNDING = 1e-9


def deal(strata_N: Ids, groups_N: Ids | None, shares: Sequence[float], random: np.random.Generator) -> Ids:
    """Returns the part of each row, 0 … P-1.

    Where every row stands alone each part gets its share of each stratum to within one row, and with two parts its
    share of all rows, rounded. A group goes to one part and counts for the stratum most of its rows have, so shares
    hold as far as the sizes of the groups allow.

    Args:
        strata_N: rows of one number are divided in proportion.
        groups_N: rows of one number go to the same part; None if every row stands alone.
        shares: what each part gets of all rows; positive, with a sum of 1.
        random: decides which rows.
    """
    unit_N, stratum_U, size_U = _units(strata_N, groups_N)
    order_U = np.lexsort((random.random(len(size_U)), stratum_U))
    part_U = np.empty(len(size_U), dtype=np.int64)
    carried = [0.0] * len(shares)  # what earlier strata, rounded to whole rows, left owing to each part
    sizes, strata = size_U.tolist(), stratum_U.tolist()
    for _, units in groupby(order_U.tolist(), key=strata.__getitem__):
        stratum = list(units)
        total = sum(sizes[unit] for unit in stratum)
        owed = [share * total for share in shares]
        for unit in stratum:
            part = _next_part(owed, carried, shares, sizes[unit])
            owed[part] -= sizes[unit]
            part_U[unit] = part
        carried = [before + left for before, left in zip(carried, owed, strict=True)]
    return part_U[unit_N]


def _next_part(owed: list[float], carried: list[float], shares: Sequence[float], size: int) -> int:
    """The part with room for the unit that lacks most of its share; if none has room, the one owed most in all."""
    best, most = -1, 0.0
    for part, rows in enumerate(owed):
        if rows >= size - _ROUNDING and rows / shares[part] > most:
            best, most = part, rows / shares[part]
    if best >= 0:
        return best
    open_parts = [part for part, rows in enumerate(owed) if rows > _ROUNDING]
    return max(open_parts, key=lambda part: carried[part] + owed[part])


def _units(strata_N: Ids, groups_N: Ids | None) -> tuple[Ids, Ids, Ids]:
    """Returns the unit of each row, and of each unit its most frequent stratum and its number of rows."""
    if groups_N is None:
        return np.arange(len(strata_N)), strata_N, np.ones(len(strata_N), dtype=np.int64)
    _, unit_N, size_U = np.unique(groups_N, return_inverse=True, return_counts=True)
    strata_S, stratum_N = np.unique(strata_N, return_inverse=True)
    pairs, rows_per_pair = np.unique(unit_N * len(strata_S) + stratum_N, return_counts=True)
    units, strata = np.divmod(pairs, len(strata_S))
    by_count = np.lexsort((rows_per_pair, units))
    stratum_U = np.empty(len(size_U), dtype=np.int64)
    stratum_U[units[by_count]] = strata_S[strata[by_count]]  # the last write of each unit, the largest count, stays
    return unit_N, stratum_U, size_U


def sample(rows: Rows, max_rows: int | None, seed: int) -> Rows:
    """Returns at most `max_rows` of the rows, in their order: each split and label in proportion, groups whole.

    Raises:
        DataError: no group is as small as `max_rows`.
    """
    if max_rows is None or len(rows) <= max_rows:
        return rows
    share = max_rows / len(rows)
    strata_N = (rows.split_N.astype(np.int64) + 1) * len(rows.classes) + rows.labels_N
    random = generator(seed, "data", "max_rows")
    kept = np.flatnonzero(deal(strata_N, rows.groups_N, (share, 1 - share), random) == 0)
    if rows.groups_N is not None and len(kept) > max_rows:
        groups, size_G = np.unique(rows.groups_N[kept], return_counts=True)
        order = random.permutation(len(groups))
        fitting = groups[order[np.cumsum(size_G[order]) <= max_rows]]
        kept = kept[np.isin(rows.groups_N[kept], fitting)]
    if not len(kept):
        raise DataError(f"data.max_rows is {max_rows}, and no group of data.group is as small; allow more rows")
    return take(rows, kept)


def take(rows: Rows, ids: Ids) -> Rows:
    """Returns the rows with these ids, in this order."""
    return replace(
        rows,
        texts=[rows.texts[index] for index in ids.tolist()],
        labels_N=rows.labels_N[ids],
        split_N=rows.split_N[ids],
        groups_N=None if rows.groups_N is None else rows.groups_N[ids],
        dates_N=None if rows.dates_N is None else rows.dates_N[ids],
        scored_N=None if rows.scored_N is None else rows.scored_N[ids],
        source_rows_N=rows.in_source(ids),
    )


def fingerprinted(rows: Rows) -> Rows:
    """Returns the rows with the SHA-256 of all that a trial can see of them, whatever file or setting it came from."""
    digest = hashlib.sha256()
    digest.update(repr(rows.classes).encode())
    digest.update(np.fromiter(map(len, rows.texts), dtype=np.int64, count=len(rows)).tobytes())
    for start in range(0, len(rows), TEXTS_AT_ONCE):  # all of them joined would be another copy of the data
        digest.update("".join(rows.texts[start : start + TEXTS_AT_ONCE]).encode(errors="surrogatepass"))
    for column in (rows.labels_N, rows.split_N, rows.groups_N, rows.dates_N, rows.scored_N):
        digest.update(b"-" if column is None else np.ascontiguousarray(column).tobytes())
    return replace(rows, fingerprint=digest.hexdigest())
