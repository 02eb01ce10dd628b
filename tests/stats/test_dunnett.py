from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from textune.stats.dunnett import critical_value, dunnett

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("num_values", "df", "level", "expected"),
    [(1, 10, 0.95, 2.228), (2, 10, 0.95, 2.57), (3, 20, 0.95, 2.54), (9, 20, 0.95, 2.95), (4, 1e9, 0.99, 3.00)],
)
def test_critical_values_are_dunnetts(num_values, df, level, expected):
    assert critical_value(num_values, df, level) == pytest.approx(expected, abs=0.006)


def test_critical_values_agree_with_the_multivariate_t():
    shape = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    value = critical_value(4, 6)
    inside = stats.multivariate_t.cdf(
        np.full(4, value), lower_limit=np.full(4, -value), shape=shape, df=6, random_state=np.random.default_rng(0)
    )
    assert inside == pytest.approx(0.95, abs=1e-3)


def test_one_value_without_rows_is_a_paired_t_test():
    base_S, scores_S = rng.normal(size=4), rng.normal(size=4)
    (change,) = dunnett(scores_S[None, :, None], base_S[:, None])
    expected = stats.ttest_rel(scores_S, base_S).confidence_interval(0.95)
    assert (change.interval.low, change.interval.high) == pytest.approx((expected.low, expected.high), rel=1e-4)


def test_a_real_change_is_told_from_noise():
    base_SN = 0.01 * rng.normal(size=(3, 1)) + rng.normal(size=400) + 0.3 * rng.normal(size=(3, 400))
    shifts = (0.0, 0.2, -0.2)
    scores_MSN = np.stack([base_SN + shift + 0.5 * rng.normal(size=(3, 400)) for shift in shifts])
    changes = dunnett(scores_MSN, base_SN)
    assert [change.real for change in changes] == [False, True, True]
    assert [change.estimate.mean for change in changes] == pytest.approx(shifts, abs=0.06)


@pytest.mark.parametrize(("noisiest", "least"), [(1.0, 0.94), (3.0, 0.925)])
def test_all_intervals_hold_together(noisiest, least):
    studies, held = 400, 0
    spreads = np.array([1.0, noisiest, 1.0, 1.0, 1.0, 1.0])[:, None, None]
    for _ in range(studies):
        scores = spreads * rng.normal(size=(6, 3, 1))
        changes = dunnett(scores[1:], scores[0])
        held += not any(change.real for change in changes)
    assert held / studies > least - 3 * np.sqrt(least * (1 - least) / studies)
    assert held / studies < 0.99


def test_one_seed_is_not_enough():
    with pytest.raises(ValueError, match="at least two seeds"):
        dunnett(np.ones((2, 1, 9)), np.ones((1, 9)))
