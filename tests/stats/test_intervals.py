from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textune.stats.intervals import bootstrap, wilson


@given(st.integers(1, 5_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_holds_the_proportion_and_stays_a_proportion(counts):
    successes, total = counts
    interval = wilson(successes, total)
    assert 0 <= interval.low <= successes / total <= interval.high <= 1
    wider = wilson(successes, total, level=0.99)
    assert wider.low <= interval.low <= interval.high <= wider.high


def test_wilson_agrees_with_scipy():
    from scipy.stats import binomtest

    expected = binomtest(1_180, 2_210).proportion_ci(0.95, method="wilson")
    interval = wilson(1_180, 2_210)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("successes", "total"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_what_is_no_proportion(successes, total):
    with pytest.raises(ValueError, match="no proportion"):
        wilson(successes, total)


def test_bootstrap_of_a_proportion_agrees_with_wilson():
    hits_N = np.arange(1_500) < 900
    interval, expected = bootstrap(lambda hits_N: float(hits_N.mean()), hits_N), wilson(900, 1_500)
    assert interval.method == "bootstrap (BCa)"
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=0.006)


def test_bootstrap_keeps_rows_of_several_columns_together():
    labels_N = np.arange(200) % 3
    interval = bootstrap(lambda a_N, b_N: float((a_N == b_N).mean()), labels_N, labels_N.copy(), resamples=50)
    assert (interval.low, interval.high) == (1.0, 1.0), "a perfect prediction stays perfect when rows are drawn anew"


def test_bootstrap_is_repeatable_and_quick_on_many_rows():
    losses_N = np.random.default_rng(1).exponential(size=25_000)
    first, second = (bootstrap(lambda losses_N: float(losses_N.mean()), losses_N, resamples=200) for _ in range(2))
    assert first == second
    assert first.method == "bootstrap (percentile)"
    assert first.low < losses_N.mean() < first.high


def test_bootstrap_refuses_columns_of_different_lengths():
    with pytest.raises(ValueError, match=r"\[3, 2\]"):
        bootstrap(lambda a_N, b_N: 0.0, np.zeros(3), np.zeros(2))
