from __future__ import annotations

import numpy as np
import pytest

from textune.stats.blocks import by_week, chance_best_in_all


def months(rng, num_months=6, days=30, per_day=20, weekly=0.0):
    """Rows of some months; those of one week share something."""
    days_N = np.repeat(np.arange(days), per_day)
    rows = []
    for _ in range(num_months):
        shared_W = weekly * rng.normal(size=days // 7 + 1)
        rows.append(shared_W[days_N // 7] + rng.normal(size=len(days_N)))
    return np.concatenate(rows), np.tile(days_N, num_months), np.repeat(np.arange(num_months), len(days_N))


@pytest.mark.parametrize("weekly", [0.0, 0.5])
def test_the_interval_holds_the_truth_also_where_weeks_have_something_in_common(weekly):
    rng, studies = np.random.default_rng(0), 300
    intervals = [by_week(*months(rng, weekly=weekly), resamples=400) for _ in range(studies)]
    held = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
    assert 0.91 < held < 0.985


def test_rows_alone_would_be_too_sure():
    differences_N, days_N, ranges_N = months(np.random.default_rng(1), weekly=0.5)
    interval = by_week(differences_N, days_N, ranges_N)
    by_rows = 2 * 1.96 * differences_N.std() / np.sqrt(len(differences_N))
    assert interval.high - interval.low > 2 * by_rows


def test_each_range_counts_the_same_however_many_rows_it_has():
    differences_N = np.concatenate([np.full(280, 1.0), np.full(28, 0.0)])
    days_N = np.concatenate([np.arange(280) % 28, np.arange(28)])
    interval = by_week(differences_N, days_N, np.repeat([0, 1], [280, 28]))
    assert (interval.low, interval.high) == pytest.approx((0.5, 0.5))


def test_blocks_of_more_weeks_and_equal_seeds():
    data = months(np.random.default_rng(2), days=84)
    assert by_week(*data, weeks=2) == by_week(*data, weeks=2)
    assert by_week(*data, weeks=2).method == "bootstrap (blocks of 2 weeks)"


def test_a_range_of_one_week_tells_nothing():
    with pytest.raises(ValueError, match="range 4 has 1 weeks"):
        by_week(np.zeros(5), np.arange(5), np.full(5, 4))


def test_chance_of_being_the_best_everywhere():
    rng = np.random.default_rng(0)
    winners = rng.random((20_000, 3, 4)).argmax(2)
    everywhere = np.mean((winners == winners[:, :1]).all(1))
    assert chance_best_in_all(4, 3) == pytest.approx(everywhere, abs=0.006)
    assert chance_best_in_all(20, 1) == 1
