"""Several values of settings against one shared base: intervals that hold all together."""

# M values, G values and their base, S seeds, N rows, Q quadrature nodes

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from textune.stats.compare import crossed
from textune.stats.estimates import Estimate, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from textune.stats.intervals import Interval

__all__ = ["Change", "critical_value", "dunnett"]

NODES = 64
SHARED = 0.5  # correlation of two differences to one base, all being equally sure


@dataclass(frozen=True)
class Change:
    """What one value changes against the base; the interval is simultaneous over all values."""

    estimate: Estimate
    interval: Interval

    @property
    def real(self) -> bool:
        """Whether the interval excludes no change."""
        return not self.interval.low <= 0 <= self.interval.high


def dunnett(scores_MSN: NDArray[np.float64], base_SN: NDArray[np.float64], level: float = 0.95) -> list[Change]:
    """Compares M values with the base, all trained with the same S seeds and scored on the same N rows.

    The scatter between seeds is pooled over all values, so two or three seeds suffice; a value whose own scatter is
    larger keeps its own. Rows add their share as in `crossed`. A base that scatters far more than all values is not
    provided for: its intervals are then too narrow.

    Args:
        scores_MSN: per value, seed and row; of a metric that is no mean over rows its `pseudo_values`. With N = 1 rows
            are taken as given and only seeds vary.
        base_SN: the same of the base.
        level: the chance that all intervals hold.

    Raises:
        ValueError: fewer than two seeds.

    Source: Dunnett, "A multiple comparison procedure for comparing several treatments with a control", JASA 1955, in
    randomized blocks (seeds).
    """
    num_values, num_seeds, num_rows = scores_MSN.shape
    if num_seeds < 2:
        raise ValueError(f"a comparison with the base needs at least two seeds to tell its error, not {num_seeds}")
    pooled = Source(_pooled_error(np.vstack([base_SN[None], scores_MSN]).mean(2)), num_values * (num_seeds - 1))
    estimates = []
    for differences_SN in scores_MSN - base_SN:
        rows = crossed(differences_SN).sources[1:] if num_rows > 1 else ()
        own_error = float(differences_SN.mean(1).std(ddof=1)) / math.sqrt(num_seeds)
        seeds = Source(max(own_error, pooled.error), pooled.df)
        estimates.append(Estimate(float(differences_SN.mean()), (seeds, *rows), "Dunnett"))
    chance = _chance_of_one(num_values, min(estimate.df for estimate in estimates), level)
    return [Change(estimate, estimate.interval(1 - chance)) for estimate in estimates]


@cache
def critical_value(num_values: int, df: float, level: float = 0.95) -> float:
    """Returns how many standard errors hold all of M differences to a shared base with probability `level`."""
    from scipy import optimize, special

    nodes_Q, weights_Q = np.polynomial.hermite_e.hermegauss(NODES)
    base_Q1, weights_Q = math.sqrt(SHARED) * nodes_Q[:, None], weights_Q / weights_Q.sum()
    quantiles_Q, shares_Q = np.polynomial.legendre.leggauss(NODES)
    scale_Q = np.sqrt(special.chdtri(df, (1 - quantiles_Q) / 2) / df)

    def chance_of_any_beyond(value: float) -> float:
        own = math.sqrt(1 - SHARED)
        held_QQ = special.ndtr((value * scale_Q - base_Q1) / own) - special.ndtr((-value * scale_Q - base_Q1) / own)
        return 1 - float(weights_Q @ held_QQ**num_values @ shares_Q) / 2

    largest = -float(special.stdtrit(df, (1 - level) / (2 * num_values)))  # Bonferroni
    root: float = optimize.brentq(lambda value: chance_of_any_beyond(value) - (1 - level), 0, largest + 1e-6)
    return root


def _chance_of_one(num_values: int, df: float, level: float) -> float:
    """The chance of error that each single interval may have for all to hold."""
    from scipy import special

    return float(2 * special.stdtr(df, -critical_value(num_values, df, level)))


def _pooled_error(means_GS: NDArray[np.float64]) -> float:
    """The standard error of a difference between two rows, from what neither rows nor columns explain."""
    num_groups, num_seeds = means_GS.shape
    rest_GS = means_GS - means_GS.mean(1, keepdims=True) - means_GS.mean(0) + means_GS.mean()
    variance = float((rest_GS**2).sum()) / ((num_groups - 1) * (num_seeds - 1))
    return math.sqrt(2 * variance / num_seeds)
