"""What every sampler keeps to. Inherit and give it a config:

class TestMine(ExactSamplerContract):  # or SamplerContract, if it may propose a point again
    @pytest.fixture
    def config(self): return MyConfig()
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from textune.records import EndReason, Objective, Progress, TrialResult, TrialSpec
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space, same_text
from textune.testing.studies import run_study

__all__ = ["SPACES", "ExactSamplerContract", "SamplerContract", "conditional_space", "finite_space", "mixed_space"]

Params = Mapping[str, Any]
OBJECTIVE = Objective()


def _no_lookup(params: Params, path: str) -> Any:
    raise AssertionError(f"nothing but params decides here, {path} was looked up under {params}")


def finite_space() -> Space:
    """24 points; one choice is a mapping, one a list, one null."""
    return Space(
        [
            ChoiceDimension("model.encoder", ({"kind": "rnn", "cell": "gru"}, "cnn", None, [1, 2])),
            IntDimension("model.encoder.num_layers", 1, 3),
            ChoiceDimension("training.length_buckets", (True, False)),
        ],
        _no_lookup,
    )


def mixed_space() -> Space:
    """Every type of dimension; grids have 5 × 3 × 2 points."""
    return Space(
        [
            FloatDimension("learning_rate", 1e-6, 1e-1, log=True, steps=5),
            FloatDimension("dropout", 0.0, 0.5, steps=3),
            IntDimension("batch_size", 1, 512, log=True, steps=2),
        ],
        _no_lookup,
    )


def conditional_space() -> Space:
    """A dimension that is active under one of two choices: 1 + 4 points."""
    return Space(
        [IntDimension("encoder.size", 1, 4, when={"kind": ("rnn",)}), ChoiceDimension("kind", ("cnn", "rnn"))],
        _no_lookup,
    )


SPACES = (finite_space, mixed_space, conditional_space)


class SamplerContract:
    """Asks a sampler for trials, tells it how they went, and looks at what it proposes."""

    @pytest.fixture
    def config(self) -> Any:
        """Returns the sampler's config; override."""
        raise NotImplementedError

    @pytest.mark.parametrize("space", SPACES)
    def test_params_lie_in_the_space_and_are_plain_values(self, config: Any, space: Any) -> None:
        for params in propose(config, space(), 15):
            assert space().contains(params)
            assert json.loads(json.dumps(params)) == params

    @pytest.mark.parametrize("space", SPACES)
    def test_the_same_seed_and_events_give_the_same_params(self, config: Any, space: Any) -> None:
        assert propose(config, space(), 15) == propose(config, space(), 15)

    @pytest.mark.parametrize("end", list(EndReason))
    def test_no_way_to_end_stalls_the_search(self, config: Any, end: EndReason) -> None:
        assert len(propose(config, mixed_space(), 14, end=end)) == 14

    def test_a_base_point_outside_the_space_does_no_harm(self, config: Any) -> None:
        sampler = config.build(mixed_space(), OBJECTIVE, 1)
        tell(sampler, 0, {"learning_rate": 10.0, "dropout": 0.9, "batch_size": 0}, EndReason.FINISHED)
        assert sampler.ask(1, _always) is not None

    def test_points_it_did_not_propose_may_be_tried_in_place_of_its_own(self, config: Any) -> None:
        """A search of 24 points does so where it proposes one that had a trial."""
        tried = propose(config, finite_space(), 24, others=finite_space().points())
        assert len({same_text(params) for params in tried}) == 24

    def test_later_attempts_and_results_that_are_not_final_change_nothing(self, config: Any) -> None:
        told, told_more = config.build(mixed_space(), OBJECTIVE, 1), config.build(mixed_space(), OBJECTIVE, 1)
        for number in range(12):
            params = dict(told.ask(number, _always))
            assert told_more.ask(number, _always) == params
            start, *rest = _events(number, params, EndReason.FINISHED)
            for sampler in (told, told_more):
                sampler.tell(start)
            told_more.tell(_lost(number))
            told_more.tell(TrialSpec(number=number, attempt=2, params=params))
            for event in rest:
                told.tell(event)
                told_more.tell(event.model_copy(update={"attempt": 2}))
        assert told.ask(12, _always) == told_more.ask(12, _always)

    def test_a_whole_study_runs_with_it(self, config: Any, tmp_path: Path) -> None:
        run_study(tmp_path, {"search.sampler": config, "search.trials": 4})


class ExactSamplerContract(SamplerContract):
    """What a sampler keeps to, besides, that proposes every point once."""

    @pytest.mark.parametrize("space", SPACES)
    def test_no_point_is_proposed_twice(self, config: Any, space: Any) -> None:
        texts = [same_text(params) for params in propose(config, space(), 30)]
        assert len(texts) == len(set(texts))

    @pytest.mark.parametrize(("space", "count"), [(finite_space, 24), (conditional_space, 5)])
    def test_a_finite_space_is_searched_to_its_end(self, config: Any, space: Any, count: int) -> None:
        assert space().num_points == count
        assert len(propose(config, space(), 100)) == count

    def test_points_of_other_trials_are_left_out(self, config: Any) -> None:
        known = next(finite_space().points())
        assert known not in propose(config, finite_space(), 100, known=[known])


def propose(
    config: Any,
    space: Space,
    trials: int,
    *,
    seed: int = 1,
    end: EndReason = EndReason.FINISHED,
    known: list[dict[str, Any]] | None = None,
    others: Iterable[Params] = (),
) -> list[dict[str, Any]]:
    """Returns what a new sampler proposes for trials that all end in `end`, until it gives up.

    Args:
        known: points that had a trial before.
        others: what to try in place of a proposal that had a trial; without any, the trial repeats the other one.
    """
    sampler = config.build(space, OBJECTIVE, seed)
    trial_at: dict[str, int | None] = {same_text(params): None for params in known or ()}
    proposed: list[dict[str, Any]] = []
    for number in range(trials):
        params = sampler.ask(number, lambda candidate: same_text(candidate) not in trial_at)
        if params is None:
            break
        if same_text(params) in trial_at:
            params = next((other for other in others if same_text(other) not in trial_at), params)
        repeat_of = trial_at.setdefault(same_text(params), number)
        proposed.append(dict(params))
        tell(sampler, number, params, end, repeat_of=None if repeat_of == number else repeat_of)
    return proposed


def tell(
    sampler: Any,
    number: int,
    params: Params,
    end: EndReason,
    *,
    repeat_of: int | None = None,
    value: float | None = None,
) -> None:
    """Tells a sampler that a trial started, measured one epoch and ended."""
    for event in _events(number, params, end, repeat_of, value):
        sampler.tell(event)


def _events(
    number: int, params: Params, end: EndReason, repeat_of: int | None = None, value: float | None = None
) -> tuple[TrialSpec, Progress, TrialResult]:
    if value is None:
        value = -sum(abs(value - 0.1) for value in params.values() if isinstance(value, float))
    return (
        TrialSpec(number=number, params=dict(params), repeat_of=repeat_of),
        Progress(trial=number, epoch=1, epochs=2, value=value),
        TrialResult(trial=number, end=end, reason=end.value, value=value, epochs=1),
    )


def _lost(number: int) -> TrialResult:
    return TrialResult(trial=number, end=EndReason.WORKER_LOST, reason="worker-lost", final=False)


def _always(_params: Params) -> bool:
    return True
