import collections
import math

import pytest
from scipy import stats

from textune.records import Objective
from textune.search.random import QmcConfig, RandomConfig
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space
from textune.testing.samplers import mixed_space, propose


def always_new(_params):
    return True


@pytest.mark.parametrize("config", [RandomConfig(), QmcConfig()])
class TestBoth:
    def test_a_point_comes_from_the_trial_number_alone(self, config):
        in_order = propose(config, mixed_space(), 20)
        for number in (19, 3, 11):
            assert config.build(mixed_space(), Objective(), 1).ask(number, always_new) == in_order[number]

    def test_seeds_and_stages_are_independent(self, config):
        first = config.build(mixed_space(), Objective(), 1, 0).ask(5, always_new)
        assert first != config.build(mixed_space(), Objective(), 2, 0).ask(5, always_new)
        assert first != config.build(mixed_space(), Objective(), 1, 1).ask(5, always_new)

    def test_a_logarithmic_range_is_searched_evenly_in_the_logarithm(self, config):
        drawn = [math.log10(params["learning_rate"]) for params in propose(config, mixed_space(), 256)]
        assert stats.kstest(drawn, stats.uniform(-6, 5).cdf).pvalue > 0.01

    def test_a_space_without_dimensions_has_one_point(self, config):
        empty = Space([], lambda _params, _path: None)
        assert propose(config, empty, 3) == [{}]


class TestRandom:
    def test_drawing_without_replacement_prefers_no_value(self):
        space = Space([ChoiceDimension("c", tuple(range(10)))], lambda _params, _path: None)
        firsts = collections.Counter(propose(RandomConfig(), space, 1, seed=seed)[0]["c"] for seed in range(1000))
        assert stats.chisquare([firsts[value] for value in range(10)]).pvalue > 0.01

    def test_a_large_finite_space_is_exhausted_quickly(self):
        space = Space([IntDimension(name, 1, 40, log=True) for name in "ab"], lambda _params, _path: None)
        assert len(propose(RandomConfig(), space, 10_000)) == 1600

    def test_new_points_are_found_where_most_of_an_endless_space_is_one_point(self):
        space = Space(
            [
                ChoiceDimension("kind", ("a", "b", "c", "d", "e")),
                FloatDimension("kind.x", 0.0, 1.0, when={"kind": ("e",)}),
            ],
            lambda _params, _path: None,
        )
        proposed = propose(RandomConfig(), space, 100)
        assert len(proposed) == 100
        assert {params["kind"] for params in proposed} == set("abcde")


class TestQmc:
    def test_points_are_spread_more_evenly_than_by_chance(self):
        space = Space([FloatDimension("x", 0.0, 1.0), FloatDimension("y", 0.0, 1.0)], lambda _params, _path: None)
        cells = collections.Counter(
            (int(params["x"] * 8), int(params["y"] * 8)) for params in propose(QmcConfig(), space, 64)
        )
        assert len(cells) == 64
