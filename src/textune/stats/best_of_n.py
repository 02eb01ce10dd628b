"""What a search of n trials could be expected to find: the best of n, from N independent trials."""

# N trials

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["BestOfN", "best_of_n", "best_so_far"]


@dataclass(frozen=True)
class BestOfN:
    """The best of 1, 2, … N trials.

    Attributes:
        expected_N: its mean over all choices of n of the N trials.
        low_N, high_N: a band that holds the true median of the best of n, for each n with probability `level`. NaN
            where the trials cannot bound it: no N trials tell how much better the best of nearly N others could be.
        level: of the band.
    """

    expected_N: NDArray[np.float64]
    low_N: NDArray[np.float64]
    high_N: NDArray[np.float64]
    level: float


def best_of_n(values: Sequence[float], *, maximize: bool = True, level: float = 0.95) -> BestOfN:
    """Estimates the best of n trials drawn independently, as random search does (and qmc nearly).

    The band assumes nothing about the values: the median of the best of n is the quantile 0.5^(1/n) of one trial, and
    order statistics bound a quantile exactly.

    Args:
        values: of independent trials at full fidelity, in any order.
        maximize: whether a larger value is better.
        level: of the band.

    Raises:
        ValueError: no values.

    Source: Tang et al., ACL 2020 (the unbiased form of Dodge et al., "Show your work", EMNLP 2019); the band after
    Lourie, Cho & He, "Show your work with confidence", NAACL 2024, with pointwise order statistics (David & Nagaraja,
    "Order Statistics", section 7.1).
    """
    from scipy import special

    if not len(values):
        raise ValueError("the best of no trials is nothing")
    sign = 1.0 if maximize else -1.0
    sorted_N, total = np.sort(sign * np.asarray(values, np.float64)), len(values)
    ranks_N = np.arange(1, total + 1)
    expected_N, low_N, high_N = (np.full(total, math.nan) for _ in range(3))
    for n in range(1, total + 1):
        reachable = ranks_N[n - 1 :]  # the rank-th smallest is the best of n where the other n - 1 lie below it
        log_share = _log_choose(reachable - 1, n - 1) - _log_choose(ranks_N[-1:], n)
        expected_N[n - 1] = np.exp(log_share) @ sorted_N[n - 1 :]
        # How many of N lie below the quantile is binomial; the ranks at its tails bound the quantile.
        below = special.bdtr(ranks_N - 1, total, 0.5 ** (1 / n))
        tail = (1 - level) / 2
        lows, highs = np.flatnonzero(below <= tail), np.flatnonzero(below >= 1 - tail)
        low_N[n - 1] = sorted_N[lows[-1]] if len(lows) else math.nan
        high_N[n - 1] = sorted_N[highs[0]] if len(highs) else math.nan
    if not maximize:
        low_N, high_N = -high_N, -low_N
    return BestOfN(sign * expected_N, low_N, high_N, level)


def best_so_far(values: Sequence[float], *, maximize: bool = True) -> NDArray[np.float64]:
    """Returns the best of the first n values: what can be said of trials that learned from each other."""
    best: NDArray[np.float64] = (np.maximum if maximize else np.minimum).accumulate(np.asarray(values, np.float64))
    return best


def _log_choose(total: NDArray[np.int64], chosen: int) -> NDArray[np.float64]:
    from scipy import special

    logarithm_N: NDArray[np.float64] = -np.log(total + 1.0) - special.betaln(total - chosen + 1, chosen + 1)
    return logarithm_N
