from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kruskal

from textune.stats.importance import association

rng = np.random.default_rng(0)


def test_a_choice_is_measured_by_kruskal_and_wallis():
    cells = ["rnn", "gru", "lstm"] * 10
    scores = [{"rnn": 0.3, "gru": 0.4, "lstm": 0.41}[cell] + 0.05 * rng.random() for cell in cells]
    statistic = kruskal(
        *([s for c, s in zip(cells, scores, strict=True) if c == cell] for cell in set(cells))
    ).statistic
    found = association(cells, scores)
    assert found is not None
    assert found.share == pytest.approx((statistic - 3 + 1) / (30 - 3))
    assert found.p_value == pytest.approx(1 / 1_001)


def test_an_optimum_in_the_middle_of_a_range_counts_as_much_as_a_trend():
    rates = rng.uniform(-5, -1, 60)
    peak = association(rates.tolist(), (-((rates + 3) ** 2)).tolist())
    trend = association(rates.tolist(), rates.tolist())
    assert peak is not None
    assert trend is not None
    assert peak.share > 0.5
    assert trend.share > 0.8


def test_a_setting_without_effect_is_seldom_called_significant():
    p_values = []
    for seed in range(100):
        noise = np.random.default_rng(seed)
        found = association(noise.uniform(size=24).tolist(), noise.uniform(size=24).tolist(), seed)
        assert found is not None
        p_values.append(found.p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.12
    assert 0.35 < np.mean(p_values) < 0.65


@pytest.mark.parametrize(
    ("values", "scores"),
    [
        (["a", "b"] * 3, [0.1, 0.2] * 3),
        (["a"] * 20, list(range(20))),
        (["a", "b"] * 10, [0.5] * 20),
        ([str(i) for i in range(20)], list(range(20))),
    ],
    ids=["too few trials", "one group", "one score", "every trial its own group"],
)
def test_nothing_is_said_where_nothing_can_be(values, scores):
    assert association(values, scores) is None


@given(
    st.lists(st.tuples(st.sampled_from([True, False, 1, 2.5, "x"]), st.floats(-1, 1)), min_size=8, max_size=40),
    st.floats(0.1, 10),
)
def test_only_the_order_of_the_scores_matters(rows, factor):
    values, scores = zip(*rows, strict=True)
    ranks = np.unique(scores, return_inverse=True)[1]
    found, scaled = association(values, ranks.tolist()), association(values, (ranks * factor).tolist())
    assert found == scaled
    if found is not None:
        assert 0 <= found.share <= 1
        assert 0 < found.p_value <= 1
