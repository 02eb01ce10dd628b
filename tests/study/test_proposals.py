"""A search of a finite space tries each of its points once, whatever its sampler proposes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textune.execution.serial import SerialConfig
from textune.records import EndReason, Objective, Progress, StudyStart, TrialResult, TrialSpec
from textune.registry import kinds
from textune.run_folder import RunFolder
from textune.search.base import Sampler, SamplerConfig
from textune.search.none import NoPrunerConfig
from textune.space import ChoiceDimension, IntDimension, Space
from textune.study import Search, search
from textune.testing.quadratic import Quadratic, resolve
from textune.tracking.log import EventLog, read_past

OBJECTIVE = Objective()


class Stubborn(Sampler):
    """Proposes the same few points for ever."""

    def __init__(self, *points):
        self.points, self.told = points, []

    def ask(self, number, is_new):
        return self.points[number % len(self.points)]

    def tell(self, event):
        if isinstance(event, TrialSpec):
            self.told.append(event.params)


class StubbornConfig(SamplerConfig):
    def build(self, space, objective, seed, stage=0):
        return Stubborn(next(space.points()))


def plain(params):
    return resolve(params)


def without_what_has_no_effect(params):
    """As a setting that the chosen component lacks is dropped: some params lead to one config."""
    return resolve({"a": params["a"] // 2, **({"b": params["b"]} if params.get("kind") == "deep" else {})})


def a_space(size_a, size_b, *, conditional=False):
    when = {"kind": ("deep",)} if conditional else {}
    return Space(
        [
            ChoiceDimension("kind", ("deep", None)),
            IntDimension("a", 1, size_a),
            IntDimension("b", 1, size_b, when=when),
        ],
        lambda _params, _path: None,
    )


def run(sampler, space, *, resolve=plain, trials=None, epochs=1, **parts):
    return search(
        Search(
            start=StudyStart(name="study", objective=OBJECTIVE, trials=trials),
            resolve=resolve,
            space=space,
            sampler=sampler.build(space, OBJECTIVE, 1) if isinstance(sampler, SamplerConfig) else sampler,
            new_pruner=lambda: NoPrunerConfig().build(OBJECTIVE, 4),
            executor=SerialConfig().build(Quadratic(epochs)),
            seed=1,
            **parts,
        )
    )


def configs(study):
    return [json.dumps(trial.spec.config, sort_keys=True) for trial in study.trials]


SAMPLERS = {
    "stubborn": StubbornConfig(),
    **{kind: kinds("sampler")[kind]() for kind in ("random", "qmc", "tpe", "cma-es")},
}
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


class TestAFiniteSpace:
    @each_sampler
    @given(st.integers(1, 6), st.integers(1, 4), st.booleans(), st.sampled_from([plain, without_what_has_no_effect]))
    @settings(max_examples=12)
    def test_is_searched_to_its_end(self, sampler, size_a, size_b, conditional, resolve):
        space = a_space(size_a, size_b, conditional=conditional)
        study = run(sampler, space, resolve=resolve)
        tried = configs(study)
        assert sorted(tried) == sorted({json.dumps(resolve(params)[0], sort_keys=True) for params in space.points()})
        assert study.reason == f"the search space is exhausted: there are no more than {len(tried)} different trials"

    @pytest.mark.parametrize("kind", ["stubborn", "random", "qmc"])
    def test_also_one_of_500_points(self, kind):
        space = Space([IntDimension("a", 1, 50), IntDimension("b", 1, 10)], lambda _params, _path: None)
        assert len(set(configs(run(SAMPLERS[kind], space)))) == 500

    def test_by_a_gaussian_process(self):
        space = Space([IntDimension("a", 1, 3), ChoiceDimension("c", (None, 1))], lambda _params, _path: None)
        assert len(set(configs(run(kinds("sampler")["gp"](startup_trials=5), space)))) == 6

    @each_sampler
    def test_takes_as_many_different_trials_as_the_study_asks_for(self, sampler):
        study = run(sampler, a_space(3, 2), trials=9, base={"kind": "deep", "a": 1, "b": 1})
        assert len(set(configs(study))) == len(study.trials) == 9
        assert study.reason == "all 9 trials were run"

    def test_a_point_that_failed_is_not_tried_again(self):
        space = Space([ChoiceDimension("behaviour", ("crash", "", "print"))], lambda _params, _path: None)
        study = run(Stubborn({"behaviour": "crash"}), space)
        assert study.trials[0].spec.params == {"behaviour": "crash"}
        assert len(set(configs(study))) == len(study.trials) == 3


def test_a_sampler_is_told_what_was_tried_in_place_of_its_proposal():
    sampler, space = Stubborn({"a": 2}), Space([IntDimension("a", 1, 3)], lambda _params, _path: None)
    study = run(sampler, space)
    assert sampler.told == [trial.spec.params for trial in study.trials]
    assert sampler.told[0] == {"a": 2}
    assert sorted(params["a"] for params in sampler.told) == [1, 2, 3]


@pytest.mark.parametrize("first", [0, 7])
def test_what_is_tried_in_place_of_a_proposal_depends_on_seed_stage_and_number_alone(first):
    space = a_space(4, 3)
    study = run(StubbornConfig(), space, trials=6, first=first)
    assert [trial.spec.params for trial in study.trials] == [
        trial.spec.params for trial in run(StubbornConfig(), space, trials=6, lag=1).trials
    ]
    other = run(StubbornConfig(), space, trials=6, stage=1)
    assert [trial.spec.params for trial in study.trials][1:] != [trial.spec.params for trial in other.trials][1:]


class TestLogsOfEarlierVersions:
    """There a proposal that repeated a point was a trial of its own, answered from the record."""

    PROPOSED = (1, 2, 1, 1, 2, 1)

    @pytest.fixture
    def space(self):
        return Space([IntDimension("a", 1, 3)], lambda _params, _path: None)

    def write(self, folder, *, open_trials=0):
        folder.mkdir()
        log = EventLog(folder)
        log.start(StudyStart(name="study", objective=OBJECTIVE, trials=6))
        for number, a in enumerate(self.PROPOSED):
            spec = TrialSpec(number=number, params={"a": a}, config={"a": a}, repeat_of=(a - 1) if number > 1 else None)
            log.record(spec)
            if number < len(self.PROPOSED) - open_trials:
                value = -((a - 0.5) ** 2)
                log.record(Progress(trial=number, epoch=1, epochs=1, value=value))
                log.record(TrialResult(trial=number, end=EndReason.FINISHED, reason="finished", value=value))
        log.close()

    def resumed(self, folder, space, trials):
        log = EventLog(folder)
        parts = {"folder": RunFolder(folder), "log": log, "past": read_past(folder)}
        study = run(Stubborn(*({"a": a} for a in self.PROPOSED)), space, trials=trials, **parts)
        log.close()
        return study

    def test_are_resumed_and_then_try_what_is_left(self, space, tmp_path):
        self.write(tmp_path / "run")
        study = self.resumed(tmp_path / "run", space, trials=20)
        assert [trial.spec.params["a"] for trial in study.trials] == [*self.PROPOSED, 3]
        assert study.reason == "the search space is exhausted: there are no more than 3 different trials"

    def test_are_resumed_where_a_repeat_had_not_ended(self, space, tmp_path):
        self.write(tmp_path / "run", open_trials=2)
        study = self.resumed(tmp_path / "run", space, trials=6)
        assert [trial.spec.repeat_of for trial in study.trials] == [None, None, 0, 0, 1, 0]
        assert study.trials[4].result.value == study.trials[1].result.value
        assert study.trials[4].result.reason == "finished: reused, trial 1 measured the same point"
