from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from textune.stats.compare import crossed, ranges, resplit
from textune.stats.race import Kind, Race, holm, looks

RESPLIT = partial(resplit, num_scored=2_000, num_train=8_000)


def noisy(means, repeats, spread=0.004, seed=0):
    rng = np.random.default_rng(seed)
    return {name: mean + spread * rng.normal(size=repeats) for name, mean in means.items()}


@pytest.mark.parametrize(
    ("max_repeats", "planned"),
    [(1, (1,)), (2, (2,)), (3, (3,)), (7, (3, 5)), (12, (3, 5, 8, 12)), (18, (3, 5, 8, 12, 18))],
)
def test_looks_are_planned(max_repeats, planned):
    assert looks(max_repeats) == planned


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_stepwise(p_values):
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    for alpha in (0.01, 0.05, 0.3):
        passed = [p_values[index] <= alpha / (len(order) - rank) for rank, index in enumerate(order)]
        count = passed.index(False) if False in passed else len(passed)
        for rank, index in enumerate(order):
            assert (adjusted[index] <= alpha * (1 + 1e-9)) == (rank < count) or adjusted[index] == pytest.approx(alpha)


def test_a_clear_winner_is_found():
    race = Race(RESPLIT, 4)
    look = race.look(1, noisy({"a": 0.80, "b": 0.90, "c": 0.80}, 5))
    assert look.verdict is not None
    assert (look.verdict.kind, look.verdict.chosen, set(look.dropped)) == (Kind.WINNER, "b", {"a", "c"})
    assert look.remaining == ("b",)


def test_a_clearly_worse_one_drops_out_and_the_race_goes_on():
    look = Race(RESPLIT, 4).look(1, noisy({"a": 0.90, "b": 0.90, "c": 0.70}, 5))
    assert look.dropped == ("c",)
    assert look.verdict is None


def test_identical_candidates_tie_and_the_cheapest_is_chosen():
    scores = dict.fromkeys("abcde", np.array([0.81, 0.83, 0.82]))
    race = Race(RESPLIT, 4, costs={"a": (9, 1.0), "b": (7, 2.0), "c": (7, 1.0), "d": (8, 0.1)})
    look = race.look(0, scores, predictions=dict.fromkeys(scores, b"the same"))
    assert look.verdict is not None
    assert (look.verdict.kind, look.verdict.chosen, look.dropped) == (Kind.TIE, "c", ())


def test_equal_scores_on_few_rows_are_no_tie_yet():
    scores = dict.fromkeys("ab", np.full(3, 0.8))
    few = Race(partial(resplit, num_scored=50, num_train=200), 4)
    assert few.look(0, scores).verdict is None
    assert few.look(0, scores, predictions={"a": 1, "b": 2}).verdict is None
    many = Race(RESPLIT, 4).look(1, dict.fromkeys("ab", np.full(5, 0.8))).verdict
    assert many is not None
    assert many.kind is Kind.TIE


def test_differences_that_do_not_matter_are_a_tie_even_where_they_are_significant():
    scores = {"a": np.full(12, 0.9) + 1e-4 * np.arange(12), "b": np.full(12, 0.899) + 1e-4 * np.arange(12)}
    race = Race(partial(resplit, num_scored=200_000, num_train=800_000), 1, costs={"a": (2,), "b": (1,)})
    look = race.look(0, scores)
    assert look.comparisons[0].worse
    assert look.verdict is not None
    assert (look.verdict.kind, look.verdict.chosen) == (Kind.TIE, "b")


def test_what_cannot_be_told_apart_is_undecided_and_the_best_mean_is_chosen():
    scores = noisy({"a": 0.90, "b": 0.895}, 3, spread=0.02)
    race = Race(RESPLIT, 4, costs={"a": (1,), "b": (1,)})
    assert race.look(0, scores).verdict is None
    verdict = race.look(0, scores, last=True).verdict
    assert verdict is not None
    assert verdict.kind is Kind.UNDECIDED
    assert verdict.chosen == max(scores, key=lambda name: scores[name].mean())


def test_a_metric_that_is_minimized_is_its_negative_maximized():
    scores = noisy({"a": 0.80, "b": 0.90, "c": 0.80}, 5)
    up = Race(RESPLIT, 4).look(1, scores)
    down = Race(RESPLIT, 4, maximize=False).look(1, {name: -values for name, values in scores.items()})
    assert up == down


def test_all_of_alpha_is_spent_in_the_end_and_no_more():
    race, scores = Race(RESPLIT, 4, alpha=0.04), noisy({"a": 0.9, "b": 0.9}, 3)
    levels = [race.look(number, scores).level for number in range(4)]
    assert sum(levels) == pytest.approx(0.04)
    for number in range(4):
        assert sum(levels[:number]) + race.look(number, scores, last=True).level == pytest.approx(0.04)


def test_rows_and_ranges_are_raced_by_the_same_rule():
    rng = np.random.default_rng(1)
    rows = {name: (rng.random((5, 2_000)) < share).astype(float) for name, share in (("a", 0.9), ("b", 0.8))}
    look = Race(crossed, 4).look(1, rows)
    assert look.verdict is not None
    assert look.verdict.kind is Kind.WINNER
    few = {name: values.mean(1)[:4] for name, values in rows.items()}
    verdict = Race(ranges, 1).look(0, few).verdict
    assert verdict is not None
    assert (verdict.kind, verdict.chosen) == (Kind.UNDECIDED, "a")


@given(st.integers(0, 50), st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_the_candidates_changes_nothing(seed, names):
    scores = noisy({"a": 0.90, "b": 0.89, "c": 0.89, "d": 0.87}, 5, seed=seed)
    race = Race(RESPLIT, 4)
    assert race.look(2, {name: scores[name] for name in names}) == race.look(2, scores)


@pytest.mark.parametrize(
    ("number", "scores", "message"),
    [
        (4, {"a": np.ones(3), "b": np.ones(3)}, "not planned"),
        (0, {"a": np.ones(3)}, "two candidates"),
        (0, {"a": np.ones(3), "b": np.array([1, np.nan, 1])}, "scores of b are not finite"),
    ],
)
def test_a_race_refuses_what_it_cannot_decide(number, scores, message):
    with pytest.raises(ValueError, match=message):
        Race(RESPLIT, 4).look(number, scores)


def test_a_false_winner_is_rare():
    rng, race, studies = np.random.default_rng(0), Race(RESPLIT, 1), 2_000
    correlation = 0.2
    false = 0
    for _ in range(studies):
        scores = {
            name: np.sqrt(correlation) * rng.normal() + np.sqrt(1 - correlation) * rng.normal(size=5) for name in "ab"
        }
        verdict = race.look(0, {name: 0.8 + 0.01 * values for name, values in scores.items()}).verdict
        false += verdict is not None and verdict.kind is Kind.WINNER
    assert stats.binomtest(false, studies, 0.05).pvalue > 0.001
