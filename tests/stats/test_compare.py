from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from textune.stats.compare import crossed, mcnemar, pigeonhole, pseudo_values, ranges, resplit

rng = np.random.default_rng(0)


def layout(seeds, rows, *, seed_spread, row_spread, rest_spread, mean=0.0, generator=rng):
    return (
        mean
        + seed_spread * generator.normal(size=(seeds, 1))
        + row_spread * generator.normal(size=(1, rows))
        + rest_spread * generator.normal(size=(seeds, rows))
    )


def test_resplit_is_nadeau_and_bengio():
    differences_J = np.array([0.010, 0.014, 0.003, 0.009, 0.012])
    estimate = resplit(differences_J, 2_000_000, 8_000_000)
    assert estimate.error == pytest.approx(np.sqrt((1 / 5 + 0.25) * differences_J.var(ddof=1)))
    assert (estimate.mean, estimate.df) == (pytest.approx(0.0096), pytest.approx(4))


def test_resplit_is_not_fooled_by_repeats_that_agree_by_chance():
    estimate = resplit(np.full(3, 0.03), 100, 400)
    assert estimate.p_value() > 0.01
    assert resplit(np.full(3, 0.03), 10_000, 40_000).p_value() < 1e-5


def test_crossed_finds_the_variance_of_the_mean():
    spreads = {"seed_spread": 0.02, "row_spread": 0.3, "rest_spread": 0.4}
    seeds, rows = 6, 400
    expected = 0.02**2 / seeds + 0.3**2 / rows + 0.4**2 / (seeds * rows)
    estimates = [crossed(layout(seeds, rows, **spreads)) for _ in range(400)]
    assert np.mean([estimate.error**2 for estimate in estimates]) == pytest.approx(expected, rel=0.08)
    assert np.var([estimate.mean for estimate in estimates]) == pytest.approx(expected, rel=0.25)


def test_crossed_without_variance_between_seeds_is_a_t_test_over_rows():
    differences_N = rng.normal(size=300)
    estimate = crossed(np.tile(differences_N, (4, 1)))
    assert estimate.error == pytest.approx(differences_N.std(ddof=1) / np.sqrt(300))
    assert estimate.df == pytest.approx(299)


def test_crossed_without_variance_between_rows_is_a_t_test_over_seeds():
    differences_S = rng.normal(size=5)
    estimate = crossed(np.tile(differences_S[:, None], (1, 300)))
    assert estimate.error == pytest.approx(differences_S.std(ddof=1) / np.sqrt(5))
    assert estimate.df == pytest.approx(4)


def test_crossed_does_not_take_a_few_equal_rows_for_equality():
    assert crossed(np.zeros((3, 200))).interval().high == pytest.approx(1.97 / 200, rel=0.01)


@given(st.integers(2, 6), st.integers(2, 30), st.integers(0, 1_000))
def test_crossed_is_never_surer_than_seeds_or_rows_alone(seeds, rows, seed):
    differences_SN = np.random.default_rng(seed).integers(-1, 2, (seeds, rows)).astype(float)
    error = crossed(differences_SN).error
    assert error >= differences_SN.mean(1).std(ddof=1) / np.sqrt(seeds) - 1e-12
    assert crossed(-differences_SN).error == pytest.approx(error)


def test_the_pigeonhole_bootstrap_agrees_where_rows_and_seeds_add_up():
    differences_SN = layout(8, 500, seed_spread=0.02, row_spread=0.4, rest_spread=0.02)
    drawn = pigeonhole(lambda seeds, rows: float(differences_SN[np.ix_(seeds, rows)].mean()), 8, 500)
    assert drawn.mean == pytest.approx(differences_SN.mean())
    assert drawn.error == pytest.approx(crossed(differences_SN).error, rel=0.12)


def test_pseudo_values_of_an_accuracy_are_the_hits():
    labels_N, predictions_N = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    values_N = pseudo_values(lambda a, b: float((a == b).mean()), labels_N, predictions_N)
    np.testing.assert_allclose(values_N, labels_N == predictions_N, atol=1e-9)


def test_pseudo_values_tell_the_error_of_a_macro_f1():
    def f1(labels_N, predictions_N):
        return float(f1_score(labels_N, predictions_N, average="macro"))

    def draw():
        labels_N = rng.integers(0, 3, 600)
        return labels_N, np.where(rng.random(600) < 0.7, labels_N, rng.integers(0, 2, 600))

    spread = np.std([f1(*draw()) for _ in range(300)])
    values_N = pseudo_values(f1, *draw())
    assert values_N.std(ddof=1) / np.sqrt(600) == pytest.approx(spread, rel=0.15)


def test_ranges_claim_nothing_before_there_are_five():
    assert ranges(np.array([0.10, 0.11, 0.12, 0.10])).p_value() == 1
    assert ranges(np.array([0.10, 0.11, 0.12, 0.10, 0.11])).p_value() < 0.001


def test_mcnemar_is_exact():
    correct_a_N = np.array([True] * 9 + [False] * 1 + [True] * 50)
    correct_b_N = np.array([False] * 9 + [True] * 1 + [True] * 50)
    assert mcnemar(correct_a_N, correct_b_N) == pytest.approx(2 * 11 / 2**10)
    assert mcnemar(correct_a_N, correct_a_N) == 1


@pytest.mark.parametrize(
    "measure",
    [lambda: resplit(np.ones(1), 1, 4), lambda: ranges(np.ones(1)), lambda: crossed(np.ones((1, 9)))],
)
def test_one_measurement_is_not_enough(measure):
    with pytest.raises(ValueError, match="at least two"):
        measure()
