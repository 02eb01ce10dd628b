from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textune.data.base import Examples
from textune.data.batches import cut_examples, eval_batches, num_batches, train_batches

KEEPS = ("start", "end", "both")
lengths = st.lists(st.integers(1, 12), min_size=1, max_size=60)
limits = st.none() | st.integers(1, 15)
laws = settings(max_examples=80, deadline=None)


def examples_of(lengths: list[int]) -> Examples:
    """Texts whose ids are all different, from 1."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Examples(np.arange(1, offsets[-1] + 1, dtype=np.int32), offsets)


def text(examples: Examples, row: int) -> list[int]:
    return examples.ids_L[examples.offsets_N1[row] : examples.offsets_N1[row + 1]].tolist()


def kept(ids: list[int], max_length: int | None, keep: str) -> list[int]:
    """What stays of a text, told in the plainest way."""
    if max_length is None or len(ids) <= max_length:
        return ids
    last = {"start": 0, "end": max_length, "both": max_length // 2}[keep]
    return ids[: max_length - last] + (ids[-last:] if last else [])


def check(batches, examples, labels, rows, max_length, keep) -> None:
    """Each row stands once, with its label, its kept tokens, and padding after them as far as the longest needs."""
    seen = []
    for batch in batches:
        assert batch.ids_BT.shape == batch.mask_BT.shape
        assert batch.mask_BT.sum(1).max() == batch.ids_BT.shape[1]
        assert (batch.ids_BT[~batch.mask_BT] == 0).all()
        assert batch.labels_B.tolist() == labels[batch.rows_B].tolist()
        for row, ids, mask in zip(batch.rows_B.tolist(), batch.ids_BT, batch.mask_BT, strict=True):
            assert ids[: mask.sum()].tolist() == kept(text(examples, row), max_length, keep)
        seen += batch.rows_B.tolist()
    assert sorted(seen) == sorted(rows.tolist())


@given(lengths, limits, st.sampled_from(KEEPS), st.integers(1, 20), st.booleans(), st.data())
@laws
def test_an_epoch_has_every_row_once_as_it_is_cut(lengths, max_length, keep, batch_size, buckets, data):
    examples = examples_of(lengths)
    labels = np.arange(len(lengths)) * 10
    rows = np.array(data.draw(st.lists(st.sampled_from(range(len(lengths))), unique=True, min_size=1)))
    rng = np.random.default_rng(1)
    batches = list(train_batches(examples, labels, rows, batch_size, max_length, keep, rng, length_buckets=buckets))
    check(batches, examples, labels, rows, max_length, keep)
    sizes = sorted(len(batch.rows_B) for batch in batches)
    assert len(batches) == num_batches(len(rows), batch_size)
    assert sum(size != batch_size for size in sizes) <= 1
    assert sizes[-1] <= 1.5 * batch_size
    assert sizes[0] >= batch_size / 2 or len(batches) == 1


@given(lengths, limits, st.sampled_from(KEEPS), st.integers(1, 200))
@laws
def test_evaluation_has_every_row_once_within_the_tokens_allowed(lengths, max_length, keep, tokens_per_batch):
    examples, rows = examples_of(lengths), np.arange(len(lengths))
    batches = list(eval_batches(examples, rows, rows, max_length, keep, tokens_per_batch=tokens_per_batch))
    check(batches, examples, rows, rows, max_length, keep)
    assert all(batch.ids_BT.size <= tokens_per_batch or len(batch.rows_B) == 1 for batch in batches)


@given(lengths, limits, st.sampled_from(KEEPS), st.data())
@laws
def test_cut_examples_are_what_batches_show(lengths, max_length, keep, data):
    examples = examples_of(lengths)
    rows = np.array(data.draw(st.lists(st.sampled_from(range(len(lengths))), unique=True, min_size=1)))
    ids_L, offsets_M1 = cut_examples(examples, rows, max_length, keep)
    cut = Examples(ids_L, offsets_M1)
    assert [text(cut, index) for index in range(len(cut))] == [
        kept(text(examples, row), max_length, keep) for row in rows.tolist()
    ]


def rows_in_order(seed: int, *, buckets: bool = True) -> list[list[int]]:
    random = np.random.default_rng(0)
    examples = examples_of(random.integers(1, 60, 5000).tolist())
    rows = np.arange(5000)
    batches = train_batches(
        examples, rows, rows, 16, None, "start", np.random.default_rng(seed), length_buckets=buckets
    )
    return [batch.rows_B.tolist() for batch in batches]


@pytest.mark.parametrize("buckets", [True, False])
def test_the_order_is_a_function_of_the_generator_alone(buckets):
    assert rows_in_order(1, buckets=buckets) == rows_in_order(1, buckets=buckets)
    assert rows_in_order(1, buckets=buckets) != rows_in_order(2, buckets=buckets)


def test_buckets_leave_little_padding_and_still_mix():
    random = np.random.default_rng(0)
    examples = examples_of(random.integers(1, 60, 5000).tolist())
    rows = np.arange(5000)

    def shown(*, buckets: bool) -> float:
        batches = train_batches(
            examples, rows, rows, 16, None, "start", np.random.default_rng(1), length_buckets=buckets
        )
        masks = [batch.mask_BT for batch in batches]
        return sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks)

    assert shown(buckets=True) > 0.95
    assert shown(buckets=False) < 0.6
    longest = [max(examples.lengths_N[batch]) for batch in rows_in_order(1)]
    assert longest != sorted(longest)
    together = [{frozenset(batch) for batch in rows_in_order(seed)} for seed in (1, 2)]
    assert not together[0] & together[1]
