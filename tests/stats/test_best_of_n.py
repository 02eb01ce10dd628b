from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textune.stats.best_of_n import best_of_n, best_so_far

values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(values)
def test_the_expected_best_is_the_mean_over_all_choices(values):
    curve = best_of_n(values)
    for n in range(1, len(values) + 1):
        assert curve.expected_N[n - 1] == pytest.approx(np.mean([max(chosen) for chosen in combinations(values, n)]))


@given(values)
def test_what_is_minimized_is_its_negative_maximized(values):
    down, up = best_of_n(values, maximize=False), best_of_n([-value for value in values])
    np.testing.assert_allclose(down.expected_N, -up.expected_N)
    np.testing.assert_allclose(down.low_N, -up.high_N)
    assert best_so_far(values, maximize=False)[-1] == min(values)


def test_the_band_holds_the_true_median_of_the_best():
    rng, total, studies = np.random.default_rng(0), 40, 1_000
    held = np.zeros(total)
    truth_N = 0.5 ** (1 / np.arange(1, total + 1))  # of a uniform value
    for _ in range(studies):
        curve = best_of_n(rng.random(total).tolist())
        held += (curve.low_N <= truth_N) & ~(curve.high_N < truth_N)
    assert held.min() / studies > 0.95 - 3 * np.sqrt(0.95 * 0.05 / studies)
    assert held[:8].max() / studies < 0.99


def test_the_band_is_open_where_the_trials_cannot_tell():
    curve = best_of_n(np.random.default_rng(0).random(20).tolist())
    assert np.isnan(curve.high_N[-1])
    assert np.isfinite(curve.high_N[:3]).all()
    assert (curve.low_N[2:] <= curve.expected_N[2:]).all()
    assert (np.diff(curve.low_N[1:]) >= 0).all()


def test_many_trials_are_no_trouble():
    curve = best_of_n(np.linspace(0, 1, 2_000).tolist())
    assert curve.expected_N[-1] == pytest.approx(1)
    assert curve.expected_N[0] == pytest.approx(0.5)


def test_the_best_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no trials"):
        best_of_n([])
