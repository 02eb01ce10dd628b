"""Optuna's samplers and pruners, each behind one in-memory study. The only file that knows Optuna."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import Field

from textune.records import EndReason, Objective, Progress, TrialResult, TrialSpec, TrialState
from textune.registry import register
from textune.search.base import Event, IsNew, Params, Pruner, PrunerConfig, Sampler, SamplerConfig
from textune.search.random import RandomSampler
from textune.seeds import derive
from textune.space import ChoiceDimension, Dimension, FloatDimension, Space

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna

__all__ = ["MedianConfig", "OptunaPruner", "SuccessiveHalvingConfig", "TpeConfig", "TpeSampler"]

MAX_REPEATS = 20
"""TPE likes to repeat its best point; after so many repeats in a row a random new point is taken."""
SAYS_NOTHING = frozenset({EndReason.WORKER_LOST, EndReason.INTERRUPTED})
"""Ends that the params are not to blame for; all other failures count as worse than every measured trial."""


class TpeSampler(Sampler):
    """Tree-structured Parzen estimator, over all dimensions together; seeded anew for each ask.

    Running trials count as bad ones, so that parallel asks differ. A failed trial ranks below all others.

    Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011.
    """

    def __init__(self, space: Space, objective: Objective, seed: int, stage: int, startup_trials: int) -> None:
        import optuna

        self._space, self._seed, self._stage, self._startup_trials = space, seed, stage, startup_trials
        self._random = RandomSampler(space, seed, stage)
        self._study = _study(objective, optuna.pruners.NopPruner())
        self._trials: dict[int, optuna.Trial] = {}

    def ask(self, number: int, is_new: IsNew) -> Params | None:
        for attempt in range(MAX_REPEATS):
            self._study.sampler = self._seeded(number, attempt)
            trial = self._study.ask()
            params = self._space.fill(lambda dimension, trial=trial: _suggest(trial, dimension))  # type: ignore[misc]
            if is_new(params):
                self._trials[number] = trial
                return params
            self._study.tell(trial, state=_states().FAIL)
        return self._random.ask(number, is_new)

    def tell(self, event: Event) -> None:
        if isinstance(event, TrialSpec):
            if event.number not in self._trials and self._space.contains(event.params):
                self._trials[event.number] = self._enter(event.params)
        elif (trial := self._trials.get(event.trial)) is None:
            return  # a base point outside the space
        elif isinstance(event, Progress):
            trial.report(event.value, event.fold * event.epochs + event.epoch)
        else:
            del self._trials[event.trial]
            _end(self._study, trial, event)

    def _seeded(self, number: int, attempt: int) -> optuna.samplers.TPESampler:
        import optuna

        seed = derive(self._seed, "sampler", self._stage, number, attempt) % 2**32
        with warnings.catch_warnings():  # `group`, which conditional dimensions need, is called experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=self._startup_trials, multivariate=True, group=self._space.conditional
            )

    def _enter(self, params: Params) -> optuna.Trial:
        """Starts a trial at given params."""
        by_path = {dimension.path: dimension for dimension in self._space.dimensions}
        self._study.enqueue_trial({path: _encoded(by_path[path], value) for path, value in params.items()})
        trial = self._study.ask()
        self._space.fill(lambda dimension: _suggest(trial, dimension))
        return trial


class OptunaPruner(Pruner):
    """An Optuna pruner. Each fold has a study of its own, so that only equal folds and epochs are compared."""

    def __init__(self, pruner: optuna.pruners.BasePruner, objective: Objective) -> None:
        self._pruner, self._objective = pruner, objective
        self._studies: dict[int, optuna.Study] = {}
        self._trials: dict[int, dict[int, optuna.Trial]] = {}

    def should_prune(self, progress: Progress) -> bool:
        if progress.value != progress.value:
            return True  # NaN is behind everything
        folds = self._trials.setdefault(progress.trial, {})
        if progress.fold not in self._studies:
            self._studies[progress.fold] = _study(self._objective, self._pruner)
        if progress.fold not in folds:
            folds[progress.fold] = self._studies[progress.fold].ask()
        folds[progress.fold].report(progress.value, progress.epoch)
        return folds[progress.fold].should_prune()

    def tell(self, event: TrialSpec | TrialResult) -> None:
        if isinstance(event, TrialResult):
            for fold, trial in self._trials.pop(event.trial, {}).items():
                _end(self._studies[fold], trial, event)


@register("sampler", "tpe")
class TpeConfig(SamplerConfig):
    """Learns from the trials so far where good ones lie (tree-structured Parzen estimator)."""

    startup_trials: int = Field(10, ge=1, description="random trials before it starts to learn")

    def build(self, space: Space, objective: Objective, seed: int, stage: int = 0) -> TpeSampler:
        return TpeSampler(space, objective, seed, stage, self.startup_trials)


@register("pruner", "median")
class MedianConfig(PrunerConfig):
    """Stops a trial whose best epoch so far is worse than the median of complete trials at the same epoch."""

    startup_trials: int = Field(5, ge=1, description="trials that must be complete before one is stopped")
    min_epochs: int = Field(1, ge=1, description="epochs every trial may train")

    def build(self, objective: Objective) -> OptunaPruner:
        import optuna

        return OptunaPruner(optuna.pruners.MedianPruner(self.startup_trials, self.min_epochs), objective)


@register("pruner", "successive-halving")
class SuccessiveHalvingConfig(PrunerConfig):
    """Stops all but the best 1/`reduction_factor` of the trials at epochs `min_epochs` × `reduction_factor`^k.

    The asynchronous form: a trial is judged against those that reached the same epoch before it.

    Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020.
    """

    min_epochs: int = Field(1, ge=1, description="epochs every trial may train: the first rung")
    reduction_factor: int = Field(3, ge=2, description="one in so many trials passes a rung")

    def build(self, objective: Objective) -> OptunaPruner:
        import optuna

        pruner = optuna.pruners.SuccessiveHalvingPruner(self.min_epochs, self.reduction_factor)
        return OptunaPruner(pruner, objective)


def _study(objective: Objective, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    import optuna

    with _quiet():
        sampler = optuna.samplers.RandomSampler(seed=0)
        return optuna.create_study(direction=objective.direction, sampler=sampler, pruner=pruner)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna announces each study; the verbosity is the whole program's, so it is put back."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _states() -> Any:
    import optuna

    return optuna.trial.TrialState


def _suggest(trial: optuna.Trial, dimension: Dimension) -> Any:
    """Asks for one value; a choice goes by its place in the list, for its values may be mappings."""
    if isinstance(dimension, ChoiceDimension):
        return dimension.values[trial.suggest_categorical(dimension.path, range(len(dimension.values)))]
    if isinstance(dimension, FloatDimension):
        return trial.suggest_float(dimension.path, dimension.low, dimension.high, log=dimension.log)
    return trial.suggest_int(dimension.path, dimension.low, dimension.high, log=dimension.log)


def _encoded(dimension: Dimension, value: Any) -> Any:
    return dimension.index(value) if isinstance(dimension, ChoiceDimension) else value


def _end(study: optuna.Study, trial: optuna.Trial, result: TrialResult) -> None:
    states = _states()
    if result.state is TrialState.COMPLETE and result.value is not None and result.value == result.value:
        study.tell(trial, result.value)
    elif result.end in SAYS_NOTHING:
        study.tell(trial, state=states.FAIL)
    else:
        study.tell(trial, state=states.PRUNED)
