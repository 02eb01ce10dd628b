"""Does a short form of a measurement choose as the full one does? Rank correlations, their ceiling, and the regret."""

# C configurations, B resamples

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from textune.stats.intervals import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MIN_CONFIGURATIONS", "Agreement", "Form", "agreements", "recommend"]

MIN_CONFIGURATIONS = 3
METHOD = "bootstrap over configurations (percentile)"


@dataclass(frozen=True)
class Form:
    """A way to measure configurations, the full one included.

    A choice is judged by a training that had no part in it: values chosen for being high are high by luck, too, and the
    same training would repeat that luck. So each array of values is paired with one of another training in full. There
    are two of those, and so two pairs: a short training against either (their mean is then taken for the truth), or,
    where the short form is a part of the full trainings, each against the other one.

    Attributes:
        name: what a person calls it.
        cost: as a share of a training in full.
        pairs: values_C by which it chooses, and values_C of a training in full which has another seed; greater is
            better.
    """

    name: str
    cost: float
    pairs: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]


@dataclass(frozen=True)
class Agreement:
    """How well a form chooses.

    Attributes:
        form: which.
        kendall: rank correlation τ-b of what it measures with a training in full of another seed; NaN where it measures
            the same value for all.
        kendall_interval: of it, over configurations.
        spearman: the same with Spearman's ρ.
        spearman_interval: of it.
        regret: how much worse its choice is than that of a training in full, in the unit of the values; below 0 where
            it happened to choose better.
        regret_bound: what the regret does not exceed, at the level asked for.
    """

    form: Form
    kendall: float
    kendall_interval: Interval
    spearman: float
    spearman_interval: Interval
    regret: float
    regret_bound: float


def agreements(
    full: Form, forms: Sequence[Form], *, level: float = 0.95, resamples: int = 2_000, seed: int = 0
) -> tuple[Agreement, ...]:
    """Compares forms with the full one, which comes first in what is returned: its correlations are the ceiling.

    The best value is that of the configuration which one training in full chooses, told by the other one. The regret of
    a form is what its own choice lacks of that, told by trainings in full that had no part in it; that of the full form
    is 0 by definition. Where several configurations are chosen, as they measure the same, their mean counts.

    Args:
        full: two trainings in full of different seeds, either against the other.
        forms: the short ones, of the same configurations.
        level: of the two-sided intervals, and of the one-sided bound.
        resamples: how often configurations are drawn anew.
        seed: of the draws, which are the same for all forms.

    Raises:
        ValueError: fewer than three configurations, arrays of different lengths, or a value that is not finite.

    Source: Kendall, "The treatment of ties in ranking problems", Biometrika 1945 (τ-b); Efron, "Bootstrap methods",
    Annals of Statistics 1979.
    """
    num_configurations = len(full.pairs[0][0])
    for values_C in (values_C for form in (full, *forms) for pair in form.pairs for values_C in pair):
        if len(values_C) != num_configurations or num_configurations < MIN_CONFIGURATIONS:
            raise ValueError(
                f"an agreement needs as many values of each form, at least {MIN_CONFIGURATIONS}, not "
                f"{num_configurations} and {len(values_C)}"
            )
        if not np.isfinite(values_C).all():
            raise ValueError("an agreement needs finite values")
    shares = np.full(num_configurations, 1 / num_configurations)
    drawn_BC = np.random.default_rng(seed).multinomial(num_configurations, shares, size=resamples)
    times_BC = np.vstack([np.ones(num_configurations, np.int64), drawn_BC]).astype(np.float64)  # first as measured
    best_B = _mean(full, _chosen, times_BC)
    return tuple(_agreement(form, best_B, times_BC, level) for form in (full, *forms))


def recommend(agreements: Sequence[Agreement], margin: float) -> Agreement | None:
    """Returns the cheapest form whose regret is shown to be within the margin; None if there is none.

    Args:
        agreements: of the short forms.
        margin: differences within this do not matter.
    """
    good = [each for each in agreements if each.regret_bound <= margin and each.form.cost < 1]
    return min(good, key=lambda each: each.form.cost, default=None)


Measure = Callable[["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"], "NDArray[np.float64]"]
"""Of a pair of values_C, each configuration taken times_BC, to one number for each resample."""


def _agreement(form: Form, best_B: NDArray[np.float64], times_BC: NDArray[np.float64], level: float) -> Agreement:
    kendall_B, spearman_B = _mean(form, _kendall, times_BC), _mean(form, _spearman, times_BC)
    regret_B = best_B - _mean(form, _chosen, times_BC)
    return Agreement(
        form,
        float(kendall_B[0]),
        _interval(kendall_B[1:], level),
        float(spearman_B[0]),
        _interval(spearman_B[1:], level),
        float(regret_B[0]),
        float(np.quantile(regret_B[1:], level)),
    )


def _mean(form: Form, measure: Measure, times_BC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a measure by resample, the mean over the pairs of a form."""
    mean_B: NDArray[np.float64] = np.mean([measure(*pair, times_BC) for pair in form.pairs], axis=0)
    return mean_B


def _interval(values_B: NDArray[np.float64], level: float) -> Interval:
    known_B = values_B[~np.isnan(values_B)]  # a resample of equal values has no order
    if not len(known_B):
        return Interval(float("nan"), float("nan"), level, METHOD)
    low, high = np.quantile(known_B, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, METHOD)


def _kendall(
    values_C: NDArray[np.float64], judged_C: NDArray[np.float64], times_BC: NDArray[np.float64]
) -> NDArray[np.float64]:
    order_CC, judged_order_CC = (np.sign(each_C[:, None] - each_C) for each_C in (values_C, judged_C))
    return _correlation(*(_pairs(times_BC, a, b) for a, b in _products(order_CC, judged_order_CC)))


def _pairs(
    times_BC: NDArray[np.float64], one_CC: NDArray[np.float64], other_CC: NDArray[np.float64]
) -> NDArray[np.float64]:
    sum_B: NDArray[np.float64] = ((times_BC @ (one_CC * other_CC)) * times_BC).sum(1)
    return sum_B


def _spearman(
    values_C: NDArray[np.float64], judged_C: NDArray[np.float64], times_BC: NDArray[np.float64]
) -> NDArray[np.float64]:
    ranks_BC, judged_ranks_BC = (_ranks(each_C, times_BC) for each_C in (values_C, judged_C))
    return _correlation(*((times_BC * a * b).sum(1) for a, b in _products(ranks_BC, judged_ranks_BC)))


def _ranks(values_C: NDArray[np.float64], times_BC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the middle rank of each value in each resample, from the middle of all."""
    return times_BC @ np.sign(values_C - values_C[:, None]) / 2


def _products(
    one: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    return (one, other), (one, one), (other, other)


def _correlation(
    both_B: NDArray[np.float64], one_B: NDArray[np.float64], other_B: NDArray[np.float64]
) -> NDArray[np.float64]:
    scale_B = np.sqrt(one_B * other_B)
    return np.divide(both_B, scale_B, out=np.full_like(both_B, np.nan), where=scale_B > 0)


def _chosen(
    values_C: NDArray[np.float64], judged_C: NDArray[np.float64], times_BC: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns the judged value of the best value in each resample."""
    drawn_BC = np.where(times_BC > 0, values_C, -np.inf)
    chosen_BC = times_BC * (drawn_BC == drawn_BC.max(1, keepdims=True))
    value_B: NDArray[np.float64] = (chosen_BC @ judged_C) / chosen_BC.sum(1)
    return value_B
