"""What samplers and pruners need of Optuna: studies in memory, and dimensions in its words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna

from textune.records import Objective
from textune.space import ChoiceDimension, Dimension, FloatDimension

__all__ = ["encoded", "new_study", "quiet", "suggest"]


def new_study(objective: Objective, pruner: optuna.pruners.BasePruner | None = None) -> optuna.Study:
    """Returns a study in memory. The name is the same always: Hyperband takes brackets by it."""
    with quiet():
        return optuna.create_study(
            study_name="study",
            direction=objective.direction,
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=pruner or optuna.pruners.NopPruner(),
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna announces each study and each fit it repairs; the verbosity is the whole program's, so it is put back."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def suggest(trial: optuna.Trial, dimension: Dimension) -> Any:
    """Asks for one value; a choice goes by its place in the list, for its values may be mappings."""
    if isinstance(dimension, ChoiceDimension):
        return dimension.values[trial.suggest_categorical(dimension.path, range(len(dimension.values)))]
    if isinstance(dimension, FloatDimension):
        return trial.suggest_float(dimension.path, dimension.low, dimension.high, log=dimension.log)
    return trial.suggest_int(dimension.path, dimension.low, dimension.high, log=dimension.log)


def encoded(dimension: Dimension, value: Any) -> Any:
    """Returns a value as Optuna knows it."""
    return dimension.index(value) if isinstance(dimension, ChoiceDimension) else value
