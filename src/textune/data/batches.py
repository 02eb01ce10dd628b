"""Batches: which rows go together, and their ids cut and padded, without a loop over texts."""

# B batch, T tokens, M rows chosen of N, L tokens of all rows together

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textune.data.base import Examples, Keep

__all__ = ["Batch", "cut_examples", "eval_batches", "num_batches", "train_batches"]

Ids = NDArray[np.int64]

BATCHES_PER_POOL = 100
"""Texts are sorted by length within a pool of this many random batches: enough to pad little and mix much."""

TOKENS_PER_BATCH = 2**14
MOST_ROWS, ROWS_STEP = 512, 16
"""Bounds of batches that are only evaluated; few different sizes, for kernels are prepared anew for each."""


@dataclass(frozen=True)
class Batch:
    """Rows of one step: ids padded to the longest text, mask True on tokens, labels, and which rows they are."""

    ids_BT: Ids
    mask_BT: NDArray[np.bool_]
    labels_B: Ids
    rows_B: Ids


def num_batches(num_rows: int, batch_size: int) -> int:
    """Returns how many batches `train_batches` gives."""
    return max((num_rows + batch_size // 2) // batch_size, 1)


def train_batches(
    examples: Examples,
    labels_N: Ids,
    rows_M: Ids,
    batch_size: int,
    max_length: int | None,
    keep: Keep,
    rng: np.random.Generator,
    *,
    length_buckets: bool = True,
) -> Iterator[Batch]:
    """Yields one epoch: every row once, in an order that `rng` alone decides.

    All batches but one have `batch_size` rows; that one takes the rest, from half to one and a half times as many. A
    tiny last batch would be a full step on little evidence, and sizes spread evenly meet slow kernels (an LSTM in bf16
    takes twice as long a row at 59 or 61 rows as at 64).

    Args:
        examples: all rows of the data set.
        labels_N: their labels.
        rows_M: the rows to train on.
        batch_size: rows of a batch.
        max_length: tokens kept of a text; None keeps all.
        keep: which.
        rng: decides the order.
        length_buckets: batches of texts of similar length, or of any length.
    """
    cut = _Cut(examples, max_length, keep)
    order_M = rng.permutation(rows_M)
    count = num_batches(len(order_M), batch_size)
    ends = np.arange(1, count + 1) * batch_size
    ends[-1] = len(order_M)
    batches = np.arange(count)
    if length_buckets:
        pool_M = np.arange(len(order_M)) // (batch_size * BATCHES_PER_POOL)
        order_M = order_M[np.lexsort((cut.spans(order_M)[1], pool_M))]
        batches = rng.permutation(count)
    for batch in batches.tolist():
        yield cut.batch(order_M[batch * batch_size : ends[batch]], labels_N)


def eval_batches(
    examples: Examples,
    labels_N: Ids,
    rows_M: Ids,
    max_length: int | None,
    keep: Keep,
    *,
    tokens_per_batch: int = TOKENS_PER_BATCH,
) -> Iterator[Batch]:
    """Yields every row once, the longest first, in batches of at most `tokens_per_batch` tokens, padding included.

    A text longer than that is a batch of its own.
    """
    cut = _Cut(examples, max_length, keep)
    _, length_M, _ = cut.spans(rows_M)
    order = np.argsort(-length_M, kind="stable")
    start = 0
    while start < len(order):
        size = min(tokens_per_batch // int(length_M[order[start]]), MOST_ROWS)
        size = max(size - size % ROWS_STEP if size > ROWS_STEP else size, 1)
        yield cut.batch(rows_M[order[start : start + size]], labels_N)
        start += size


def cut_examples(examples: Examples, rows_M: Ids, max_length: int | None, keep: Keep) -> tuple[NDArray[np.int32], Ids]:
    """Returns ids_L and offsets_M1 of the rows, cut as in their batches."""
    cut = _Cut(examples, max_length, keep)
    start_M, length_M, left_out_M = cut.spans(rows_M)
    offsets_M1 = np.zeros(len(rows_M) + 1, dtype=np.int64)
    np.cumsum(length_M, out=offsets_M1[1:])
    position_L = np.arange(offsets_M1[-1]) - np.repeat(offsets_M1[:-1], length_M)
    source_L = position_L + np.repeat(start_M, length_M)
    source_L += np.repeat(left_out_M, length_M) * (position_L >= cut.head)
    return examples.ids_L[source_L], offsets_M1


class _Cut:
    """Where the kept tokens of texts stand: the first `head` of them at the start of a text, the others at its end."""

    def __init__(self, examples: Examples, max_length: int | None, keep: Keep) -> None:
        self.examples = examples
        self.limit: int = np.iinfo(np.int64).max if max_length is None else max_length
        first, last = examples.frame
        head = {"start": self.limit, "end": 0, "both": self.limit - self.limit // 2}[keep]
        self.head = min(max(head, first), self.limit - last)

    def spans(self, rows: Ids) -> tuple[Ids, Ids, Ids]:
        """Returns of each row where its text starts, how many tokens are kept and how many are left out."""
        start = self.examples.offsets_N1[rows]
        length = self.examples.offsets_N1[rows + 1] - start
        kept = np.minimum(length, self.limit)
        return start, kept, length - kept

    def batch(self, rows_B: Ids, labels_N: Ids) -> Batch:
        start_B, length_B, left_out_B = self.spans(rows_B)
        positions_T = np.arange(length_B.max())
        source_BT = start_B[:, None] + positions_T
        source_BT[:, self.head :] += left_out_B[:, None]
        mask_BT = positions_T < length_B[:, None]
        ids_BT = self.examples.ids_L.take(source_BT, mode="clip").astype(np.int64)  # padding may lead beyond the end
        ids_BT *= mask_BT  # PADDING is 0
        return Batch(ids_BT, mask_BT, labels_N[rows_B], rows_B)
