"""Rank correlations, regret and the recommendation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from textune.stats.fidelity import Form, agreements, recommend

RESAMPLES = 300


def in_full(one_C, other_C):
    return Form("full", 1.0, ((one_C, other_C), (other_C, one_C)))


def short(values_C, one_C, other_C, cost=0.1):
    return Form("short", cost, ((values_C, one_C), (values_C, other_C)))


def noisy(seed, deviation, num_configurations=20, num=3):
    """Returns the true values of configurations, and measurements of them."""
    rng = np.random.default_rng(seed)
    true_C = 0.8 + 0.02 * rng.standard_normal(num_configurations)
    return true_C, true_C + deviation * rng.standard_normal((num, num_configurations))


class TestAgreements:
    def test_of_a_form_that_measures_the_same_are_perfect(self):
        true_C, _ = noisy(1, 0.0)
        ceiling, same = agreements(in_full(true_C, true_C), [short(true_C**3, true_C, true_C)], resamples=RESAMPLES)
        for agreement in (ceiling, same):
            assert agreement.kendall == pytest.approx(1)
            assert agreement.spearman == pytest.approx(1)
            assert agreement.kendall_interval.low == pytest.approx(1)
            assert agreement.regret == agreement.regret_bound == pytest.approx(0)

    def test_of_noise_are_none(self):
        inside = 0
        for seed in range(40):
            _, (one_C, other_C, _) = noisy(seed, 0.002)
            noise_C = np.random.default_rng(1_000 + seed).standard_normal(20)
            _, found = agreements(
                in_full(one_C, other_C), [short(noise_C, one_C, other_C)], resamples=RESAMPLES, seed=seed
            )
            intervals = (found.kendall_interval, found.spearman_interval)
            inside += sum(each.low <= 0 <= each.high for each in intervals)
        assert inside / 80 > 0.85

    def test_have_a_ceiling_below_one_where_seeds_differ(self):
        _, (one_C, other_C, _) = noisy(2, 0.01)
        (ceiling,) = agreements(in_full(one_C, other_C), [], resamples=RESAMPLES)
        assert 0 < ceiling.kendall < 0.95
        assert ceiling.kendall_interval.low < ceiling.kendall < ceiling.kendall_interval.high < 1

    def test_of_a_training_as_good_as_the_full_one_are_those_of_the_ceiling(self):
        """The regret of a third training in full is 0 in the mean: no luck of the choice is counted for or against."""
        regrets, kendalls, ceilings = [], [], []
        for seed in range(300):
            _, (one_C, other_C, third_C) = noisy(seed, 0.02)
            ceiling, found = agreements(in_full(one_C, other_C), [short(third_C, one_C, other_C)], resamples=10)
            regrets.append(found.regret)
            kendalls.append(found.kendall)
            ceilings.append(ceiling.kendall)
        assert np.mean(regrets) == pytest.approx(0, abs=3 * np.std(regrets) / np.sqrt(len(regrets)))
        assert np.mean(kendalls) == pytest.approx(np.mean(ceilings), abs=0.02)

    def test_bound_the_true_regret_of_the_choice(self):
        covered = 0
        for seed in range(200):
            true_C, (one_C, other_C, third_C) = noisy(seed, 0.004)
            values_C = third_C + 0.02 * np.random.default_rng(seed + 500).standard_normal(20)
            _, found = agreements(in_full(one_C, other_C), [short(values_C, one_C, other_C)], resamples=RESAMPLES)
            full = (true_C[one_C.argmax()] + true_C[other_C.argmax()]) / 2
            covered += full - true_C[values_C.argmax()] <= found.regret_bound
        assert covered / 200 > 0.83

    @settings(max_examples=40)
    @given(npst.arrays(np.int64, (2, 9), elements=st.integers(0, 4)))
    def test_are_those_of_scipy_with_ties_too(self, values_2C):
        from scipy.stats import kendalltau, spearmanr

        one_C, other_C = values_2C.astype(np.float64)
        (found,) = agreements(Form("full", 1.0, ((one_C, other_C),)), [], resamples=2)
        if np.ptp(one_C) and np.ptp(other_C):
            assert found.kendall == pytest.approx(kendalltau(one_C, other_C).statistic, abs=1e-12)
            assert found.spearman == pytest.approx(spearmanr(one_C, other_C).statistic, abs=1e-12)
        else:
            assert np.isnan(found.kendall)
            assert np.isnan(found.spearman)

    def test_of_a_form_that_measures_nothing_are_unknown_and_its_choice_is_any(self):
        _, (one_C, other_C, _) = noisy(3, 0.001)
        constant_C = np.ones(20)
        _, found = agreements(in_full(one_C, other_C), [short(constant_C, one_C, other_C)], resamples=RESAMPLES)
        best = (other_C[one_C.argmax()] + one_C[other_C.argmax()]) / 2
        assert np.isnan([found.kendall, found.kendall_interval.low]).all()
        assert found.regret == pytest.approx(best - (one_C.mean() + other_C.mean()) / 2)

    @pytest.mark.parametrize(("one_C", "message"), [([1.0, 2.0], "at least 3"), ([1.0, np.nan, 2.0], "finite")])
    def test_are_refused_of_too_few_and_of_unknown_values(self, one_C, message):
        values_C = np.array(one_C)
        with pytest.raises(ValueError, match=message):
            agreements(in_full(values_C, values_C), [])


class TestRecommend:
    @pytest.fixture
    def found(self):
        true_C, (one_C, other_C, third_C) = noisy(4, 0.0005)
        noise_C = np.random.default_rng(9).standard_normal(20)
        forms = [
            short(noise_C, one_C, other_C, cost=0.01),
            short(third_C, one_C, other_C, cost=0.3),
            short(third_C, one_C, other_C, cost=0.2),
            short(true_C, one_C, other_C, cost=1.2),
        ]
        return agreements(in_full(one_C, other_C), forms, resamples=RESAMPLES)[1:]

    def test_takes_the_cheapest_that_is_good_enough(self, found):
        assert recommend(found, 0.005).form.cost == 0.2

    def test_takes_none_that_costs_as_much_or_is_not_shown_to_be_good(self, found):
        assert recommend(found, -1.0) is None
        assert recommend([found[0], found[3]], 0.005) is None
