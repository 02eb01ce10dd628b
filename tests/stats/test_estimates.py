from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from textune.stats.estimates import Estimate, Source

errors = st.floats(1e-4, 1.0)
dfs = st.integers(2, 3_000)


def one(mean, error, df):
    return Estimate(mean, (Source(error, df),), "t")


def two(mean, first, second):
    return Estimate(mean, (Source(*first), Source(*second)), "two")


@given(st.floats(-3, 3), errors, dfs, st.floats(0.5, 0.999))
def test_one_source_is_students_t(mean, error, df, level):
    interval = one(mean, error, df).interval(level)
    assert (interval.low, interval.high) == pytest.approx(stats.t.interval(level, df, mean, error))
    assert one(mean, error, df).p_value() == pytest.approx(2 * stats.t.sf(abs(mean) / error, df), abs=1e-12)


@given(st.floats(1e-20, 1e-7), errors, dfs, dfs, st.floats(0.5, 0.999), st.booleans())
def test_an_error_that_is_only_rounding_changes_no_interval(tiny, error, df, other_df, level, swapped):
    sources = [(tiny * error, df), (error, other_df)]
    interval = two(0.1, *(sources[::-1] if swapped else sources)).interval(level)
    assert interval.high == pytest.approx(one(0.1, error, other_df).interval(level).high, rel=1e-4)


@given(st.floats(-3, 3), errors, errors, dfs, dfs)
def test_p_and_interval_of_two_sources_agree_and_are_wider_than_of_one(mean, first, second, df, other_df):
    estimate = two(mean, (first, df), (second, other_df))
    interval = estimate.interval(0.95)
    assert estimate.p_value(interval.low) == pytest.approx(0.05, rel=1e-4)
    assert estimate.below(interval.high + 1e-4)
    assert not estimate.below(interval.high - 1e-4)
    assert estimate.above(interval.low - 1e-4)
    assert not estimate.above(interval.low + 1e-4)
    assert interval.high >= one(mean, first, df).interval(0.95).high - 1e-5
    assert interval.low <= one(mean, second, other_df).interval(0.95).low + 1e-5


def test_two_sources_follow_behrens_and_fisher():
    rng, draws = np.random.default_rng(0), 400_000
    for first, second in [((0.5, 2), (1.0, 1_999)), ((1.0, 4), (0.3, 499)), ((1.0, 11), (1.0, 1_999))]:
        sums = first[0] * rng.standard_t(first[1], draws) + second[0] * rng.standard_t(second[1], draws)
        for distance in (1.0, 3.0, 5.0):
            expected = np.mean(np.abs(sums) >= distance)
            spread = math.sqrt(expected * (1 - expected) / draws)
            assert two(distance, first, second).p_value() == pytest.approx(expected, abs=4 * spread + 1e-4)


def test_a_source_without_error_changes_nothing():
    assert two(0.3, (0.1, 4), (0.0, 99)).interval() == Estimate(0.3, (Source(0.1, 4),), "two").interval()
    assert two(0.3, (0.1, 4), (0.0, 99)).df == pytest.approx(4)


def test_no_error_at_all_leaves_no_doubt():
    same, other = one(0.0, 0.0, 2), one(0.1, 0.0, 2)
    assert (same.p_value(), other.p_value(), same.df) == (1.0, 0.0, 2)
    assert (other.interval().low, other.interval().high) == (0.1, 0.1)


def test_where_nothing_can_be_claimed_nothing_is():
    silent = Estimate(0.3, (Source(0.01, 3),), "t", claim=False)
    assert (silent.p_value(), silent.below(9), silent.interval().high) == (1.0, False, math.inf)
    assert silent.dump()["interval"] is None


@given(errors, errors, dfs, dfs)
def test_degrees_of_freedom_stand_between_the_smaller_and_the_sum(first, second, df, other_df):
    satterthwaite = two(0, (first, df), (second, other_df)).df
    assert min(df, other_df) * (1 - 1e-9) <= satterthwaite <= (df + other_df) * (1 + 1e-9)
