"""Dated rows: neighbouring days resemble each other, so whole weeks are drawn, not rows."""

# N rows, W weeks, B resamples

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from textune.stats.intervals import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["by_week", "chance_best_in_all"]

DAYS = 7


def by_week(
    differences_N: NDArray[np.float64],
    days_N: NDArray[np.int64],
    ranges_N: NDArray[np.int64],
    *,
    weeks: int = 1,
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> Interval:
    """Returns the interval of the mean over ranges of a mean difference, drawing blocks of weeks inside each range.

    It is conditional on these ranges and on the models trained for them: how sure the difference is where it was
    measured, not whether it holds in another range. A range of W weeks shows (W - 1)/W of the variance between them;
    the spread is widened by that.

    Args:
        differences_N: per row, first configuration minus second.
        days_N: the day of each row, as a number.
        ranges_N: the number of the range each row is in.
        weeks: in a block; neighbouring weeks that resemble each other want more.
        level: coverage.
        resamples: how often blocks are drawn.
        seed: of the draws.

    Raises:
        ValueError: a range of fewer than two blocks.

    Source: Künsch, Annals of Statistics 1989 (moving blocks).
    """
    rng = np.random.default_rng(seed)
    means, spread_B = [], np.zeros(resamples)
    numbers = np.unique(ranges_N)
    for number in numbers:
        inside_N = ranges_N == number
        sums_W, counts_W = _weeks(differences_N[inside_N], days_N[inside_N])
        num_weeks = len(sums_W)
        if num_weeks < 2 * weeks:
            raise ValueError(f"range {number} has {num_weeks} weeks, too few for blocks of {weeks}")
        blocks = math.ceil(num_weeks / weeks)
        starts_BK = rng.integers(0, num_weeks - weeks + 1, (resamples, blocks))
        drawn_BW = (starts_BK[..., None] + np.arange(weeks)).reshape(resamples, -1)[:, :num_weeks]
        mean = sums_W.sum() / counts_W.sum()
        drawn_B = sums_W[drawn_BW].sum(1) / counts_W[drawn_BW].sum(1)
        means.append(float(mean))
        spread_B += (drawn_B - drawn_B.mean()) * math.sqrt(blocks / (blocks - 1)) / len(numbers)
    low, high = np.quantile(spread_B, [(1 - level) / 2, (1 + level) / 2])
    middle = float(np.mean(means))
    unit = "a week" if weeks == 1 else f"{weeks} weeks"
    return Interval(middle + float(low), middle + float(high), level, f"bootstrap (blocks of {unit})")


def chance_best_in_all(num_configurations: int, num_ranges: int) -> float:
    """Returns the chance that one of C equal configurations is the best in all R ranges: C · (1/C)^R.

    Ranges are taken as independent and without ties. Ranges whose train windows overlap make it larger, and so do ties
    where each of those tied counts as the best.
    """
    return float(num_configurations) ** (1 - num_ranges)


def _weeks(
    differences_N: NDArray[np.float64], days_N: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns the sum and the number of rows of each week that has any, counted from the first day."""
    _, week_N = np.unique((days_N - days_N.min()) // DAYS, return_inverse=True)
    sums_W: NDArray[np.float64] = np.bincount(week_N, weights=differences_N).astype(np.float64)
    counts_W: NDArray[np.int64] = np.bincount(week_N).astype(np.int64)
    return sums_W, counts_W
