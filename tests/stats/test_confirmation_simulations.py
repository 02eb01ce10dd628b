"""A short form of `benchmarks/confirmation_simulations.py`: the same worlds, fewer studies, wider bounds."""

from __future__ import annotations

import math

import pytest
from benchmarks.confirmation_simulations import ALPHA, coverage, covered_worlds, power_worlds, simulate, worlds

from textune.stats.race import Kind

STUDIES = 250
LIMIT = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / STUDIES)


@pytest.mark.parametrize("world", list(worlds()), ids=lambda world: world.name)
def test_false_winners_and_false_ties_are_rare(world):
    tally = simulate(world, STUDIES)
    assert tally.false_winners / STUDIES <= LIMIT
    assert tally.false_ties / STUDIES <= LIMIT
    if "identical" in world.name:
        assert tally.verdicts[Kind.TIE] == STUDIES


@pytest.mark.parametrize("world", list(covered_worlds()), ids=lambda world: world.name)
@pytest.mark.parametrize("repeats", [3, 12])
def test_intervals_hold_the_truth(world, repeats):
    studies = 500
    held = coverage(world, repeats, studies)
    error = math.sqrt(0.95 * 0.05 / studies)
    assert 0.94 - 3 * error < held < 0.98 + 3 * error


@pytest.mark.parametrize("world", list(power_worlds()), ids=lambda world: world.name)
def test_two_points_are_mostly_found_or_at_least_chosen(world):
    tally = simulate(world, 40)
    assert tally.best_chosen >= 38
    assert tally.verdicts[Kind.WINNER] >= 4
