import logging
import statistics
import subprocess
import sys

import optuna
import pytest

from textune.records import EndReason, Objective, TrialResult, TrialSpec
from textune.search.cma_es import CmaEsConfig
from textune.search.gp import GpConfig
from textune.search.random import RandomConfig
from textune.search.tpe import TpeConfig
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space
from textune.testing.samplers import conditional_space, finite_space, mixed_space, propose, tell

ALL = {"tpe": TpeConfig(), "gp": GpConfig(), "cma-es": CmaEsConfig()}
EAGER = {"tpe": TpeConfig(startup_trials=1), "gp": GpConfig(startup_trials=1), "cma-es": CmaEsConfig()}
BUDGETS = {"tpe": (40, 3), "gp": (20, 1), "cma-es": (60, 3)}
"""Trials of a search, enough to have learned, and how many searches: chance plays its part."""
each = pytest.mark.parametrize("config", ALL.values(), ids=ALL)
each_eager = pytest.mark.parametrize("config", EAGER.values(), ids=EAGER)


def always_new(_params):
    return True


def no_lookup(_params, _path):
    return None


def a_square():
    return Space([FloatDimension("x", 0.0, 1.0), FloatDimension("y", 0.0, 1.0)], no_lookup)


def near(params, x=0.2, y=0.3):
    return -((params["x"] - x) ** 2) - (params["y"] - y) ** 2


def search(config, space, value_of, trials, direction="maximize", seed=3):
    """Returns the params of the trials, each measured by `value_of`; an EndReason is how it ends instead."""
    sampler = config.build(space, Objective(direction=direction), seed)
    asked = []
    for number in range(trials):
        params = sampler.ask(number, always_new)
        value = value_of(params)
        repeat_of = asked.index(params) if params in asked else None
        sampler.tell(TrialSpec(number=number, params=params, repeat_of=repeat_of))
        end, value = (value, None) if isinstance(value, EndReason) else (EndReason.FINISHED, value)
        sampler.tell(TrialResult(trial=number, end=end, reason=end.value, value=value))
        asked.append(params)
    return asked


def late(config, space, value_of, direction="maximize"):
    """Returns the last eight points of a few searches that are long enough to have learned."""
    trials, seeds = BUDGETS[config.kind]
    return [params for seed in range(seeds) for params in search(config, space, value_of, trials, direction, seed)[-8:]]


def share(of, points):
    return sum(map(of, points)) / len(points)


class TestLearning:
    @pytest.mark.parametrize("direction", ["maximize", "minimize"])
    @each
    def test_it_comes_closer_to_the_best_point(self, config, direction):
        sign = 1 if direction == "maximize" else -1
        points = late(config, a_square(), lambda params: sign * near(params), direction)
        assert statistics.median(map(near, points)) > -0.05  # of even draws it is -0.2

    @pytest.mark.parametrize("config", [TpeConfig(), GpConfig()], ids=["tpe", "gp"])
    def test_it_learns_choices(self, config):
        space = Space([FloatDimension("x", 0.0, 1.0), ChoiceDimension("c", ("a", {"kind": "b"}, None))], no_lookup)
        points = late(config, space, lambda params: (params["c"] == {"kind": "b"}) - abs(params["x"] - 0.5))
        assert share(lambda params: params["c"] == {"kind": "b"}, points) > 0.5

    @each
    def test_it_learns_dimensions_that_are_active_at_times(self, config):
        space = Space(
            [ChoiceDimension("kind", ("a", "b")), FloatDimension("kind.x", 0.0, 1.0, when={"kind": ("b",)})], no_lookup
        )
        points = late(config, space, lambda params: -abs(params.get("kind.x", 1.0) - 0.1))
        active = [params["kind.x"] for params in points if "kind.x" in params]
        assert share(lambda x: abs(x - 0.1) < 0.2, active) > 0.6  # of even draws 0.3

    @each
    def test_it_learns_from_pruned_trials(self, config):
        """Those below the median of all before; their values are what it can learn from them."""
        trials, seeds = BUDGETS[config.kind]
        points = []
        for seed in range(seeds):
            sampler, values = config.build(a_square(), Objective(), seed), []
            for number in range(trials):
                params = sampler.ask(number, always_new)
                values.append(near(params))
                end = EndReason.PRUNED if values[-1] < statistics.median(values) else EndReason.FINISHED
                tell(sampler, number, params, end, value=values[-1])
                points += [params] if number >= trials - 8 else []
        assert statistics.median(map(near, points)) > -0.05

    @pytest.mark.parametrize("config", [EAGER["tpe"], EAGER["gp"]], ids=["tpe", "gp"])
    def test_it_learns_from_trials_that_others_proposed(self, config):
        """A base point in the space, or a reused result."""
        asked = []
        for best in (0.1, 0.9):
            sampler = config.build(a_square(), Objective(), 3)
            for number in range(20):
                place = number / 19
                tell(sampler, number, {"x": place, "y": place}, EndReason.FINISHED, value=-abs(place - best))
            asked.append(statistics.median(sampler.ask(number, always_new)["x"] for number in range(20, 27)))
        assert asked[0] < 0.5 < asked[1]

    @pytest.mark.parametrize("config", [EAGER["tpe"], EAGER["gp"]], ids=["tpe", "gp"])
    def test_running_trials_are_not_proposed_again(self, config):
        sampler = config.build(a_square(), Objective(), 3)
        tell(sampler, 0, sampler.ask(0, always_new), EndReason.FINISHED)
        points = []
        for number in range(1, 7):
            points.append(sampler.ask(number, always_new))
            sampler.tell(TrialSpec(number=number, params=points[-1]))
        gaps = [abs(a["x"] - b["x"]) + abs(a["y"] - b["y"]) for a in points for b in points if a is not b]
        assert min(gaps) > 0.01

    @pytest.mark.parametrize("config", [EAGER["tpe"], EAGER["gp"]], ids=["tpe", "gp"])
    def test_what_was_asked_and_never_told_counts_for_nothing(self, config):
        quiet, curious = config.build(a_square(), Objective(), 3), config.build(a_square(), Objective(), 3)
        for number in range(4):
            params = quiet.ask(number, always_new)
            for again in range(3):
                curious.ask(number + again, always_new)
            for sampler in (quiet, curious):
                tell(sampler, number, params, EndReason.FINISHED)
        assert quiet.ask(4, always_new) == curious.ask(4, always_new)


class TestFailures:
    @pytest.mark.parametrize(("config", "seeds"), [(TpeConfig(), 6), (GpConfig(), 1), (CmaEsConfig(), 6)], ids=ALL)
    def test_a_region_in_which_trials_fail_is_avoided(self, config, seeds):
        def value_of(params):
            return EndReason.DIVERGED if params["x"] > 0.5 else near(params)

        def late_failures(config):
            late = [
                params for seed in range(seeds) for params in search(config, a_square(), value_of, 30, seed=seed)[15:]
            ]
            return share(lambda params: params["x"] > 0.5, late)

        assert late_failures(config) < 0.25
        assert late_failures(RandomConfig()) > 0.35

    @pytest.mark.parametrize("end", [EndReason.OUT_OF_MEMORY, EndReason.CRASHED, EndReason.TIMED_OUT])
    def test_whatever_way_they_fail(self, end):
        def value_of(params):
            return end if params["x"] > 0.5 else near(params)

        late = [params for seed in range(4) for params in search(TpeConfig(), a_square(), value_of, 30, seed=seed)[15:]]
        assert share(lambda params: params["x"] > 0.5, late) < 0.3

    @each
    def test_values_that_are_no_finite_numbers_are_failures(self, config):
        def ended_with(value):
            return search(config, a_square(), lambda params: value if params["x"] > 0.5 else near(params), 14)

        failed = ended_with(EndReason.DIVERGED)
        assert ended_with(float("nan")) == ended_with(float("inf")) == ended_with(None) == failed

    @pytest.mark.parametrize("end", [EndReason.WORKER_LOST, EndReason.INTERRUPTED])
    @pytest.mark.parametrize("config", [EAGER["tpe"], EAGER["gp"]], ids=["tpe", "gp"])
    def test_a_lost_worker_says_nothing_about_the_params(self, config, end):
        asked = []
        for also_lost in (False, True):
            sampler = config.build(a_square(), Objective(), 3)
            for number in range(6):
                tell(sampler, number, sampler.ask(number, always_new), EndReason.FINISHED)
            if also_lost:
                tell(sampler, 90, {"x": 0.9, "y": 0.9}, end)
            asked.append(sampler.ask(6, always_new))
        assert asked[0] == asked[1]

    @each_eager
    def test_it_starts_where_everything_fails(self, config):
        points = search(config, a_square(), lambda _params: EndReason.DIVERGED, 12)
        assert len({params["x"] for params in points}) == 12


class TestRepeats:
    @each
    def test_a_point_that_was_not_measured_is_learned_from_at_its_repeat(self, config):
        """The first trial lost its worker, so the second ran: it is no mere repeat."""
        asked = []
        for repeat_of in (None, 20):
            sampler = config.build(finite_space(), Objective(), 3)
            for number in range(12):
                tell(sampler, number, sampler.ask(number, always_new), EndReason.FINISHED)
            point = next(finite_space().points())
            tell(sampler, 20, point, EndReason.WORKER_LOST)
            tell(sampler, 21, point, EndReason.FINISHED, repeat_of=repeat_of)
            asked.append([sampler.ask(number, always_new) for number in range(22, 26)])
        assert asked[0] == asked[1]


class TestManners:
    @pytest.mark.parametrize("space", [conditional_space, mixed_space])
    @each_eager
    def test_it_says_nothing(self, config, space, capfd, recwarn):
        propose(config, space(), 6)
        assert capfd.readouterr() == ("", "")
        assert not recwarn.list
        assert optuna.logging.get_verbosity() == logging.INFO

    @each_eager
    def test_whole_numbers_and_choices_come_back_as_themselves(self, config):
        space = Space([IntDimension("n", 1, 512, log=True), ChoiceDimension("c", ("a", {"b": [1]}))], no_lookup)
        for params in propose(config, space, 12):
            assert type(params["n"]) is int
            assert params["c"] in ("a", {"b": [1]})

    @pytest.mark.parametrize("kind", ["tpe", "cma_es"])
    def test_only_a_gaussian_process_needs_torch(self, kind):
        code = f"""
import sys
from textune.records import Objective
from textune.registry import kinds
from textune.testing.samplers import mixed_space, propose
propose(kinds("sampler")["{kind.replace("_", "-")}"](), mixed_space(), 14)
assert "torch" not in sys.modules
"""
        subprocess.run([sys.executable, "-c", code], check=True)
