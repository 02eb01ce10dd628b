"""An estimated difference: how large, how sure, and by which method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from textune.stats.intervals import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Estimate", "Source"]

QUADRATURE_NODES = 48


@dataclass(frozen=True)
class Source:
    """One independent source of error: its standard error, and the degrees of freedom that was estimated with."""

    error: float
    df: float


@dataclass(frozen=True)
class Estimate:
    """A mean difference and what is known of its error.

    One source of error gives Student's t. Two, such as seeds and rows, give the Behrens-Fisher distribution: the sum of
    the two t variables, each times its standard error. With few seeds it holds its level where Satterthwaite's
    approximation does not (`benchmarks/results/confirmation.md`).

    Attributes:
        mean: the estimated difference, in the unit of the metric.
        sources: one or two sources of error.
        method: what a person may look up.
        claim: False where too little was measured to claim anything; p is then 1 and the interval unbounded.

    Source: Fisher, "The fiducial argument in statistical inference", Annals of Eugenics 1935; it holds its level by
    Mehta & Srinivasan, Biometrika 1970.
    """

    mean: float
    sources: tuple[Source, ...]
    method: str
    claim: bool = True

    @property
    def error(self) -> float:
        """The standard error."""
        return math.hypot(*(source.error for source in self.sources))

    @property
    def df(self) -> float:
        """The degrees of freedom as a person reads them. Source: Satterthwaite, Biometrics Bulletin 1946."""
        largest = max(source.error for source in self.sources)
        if largest == 0:
            return min(source.df for source in self.sources)
        shares = [(source.error / largest) ** 2 for source in self.sources]
        weighed = sum(share**2 / source.df for share, source in zip(shares, self.sources, strict=True))
        return sum(shares) ** 2 / weighed

    def p_value(self, null: float = 0.0) -> float:
        """Returns the two-sided p of the hypothesis that the true difference is `null`."""
        return self._beyond(abs(self.mean - null)) if self.claim else 1.0

    def below(self, bound: float, level: float = 0.95) -> bool:
        """Whether the whole interval of this level lies below the bound."""
        return self.mean < bound and self.p_value(bound) < 1 - level

    def above(self, bound: float, level: float = 0.95) -> bool:
        """Whether the whole interval of this level lies above the bound."""
        return self.mean > bound and self.p_value(bound) < 1 - level

    def interval(self, level: float = 0.95) -> Interval:
        """Returns the interval that holds the true difference with probability `level`."""
        reach = self._reach(1 - level) if self.claim else math.inf
        return Interval(self.mean - reach, self.mean + reach, level, self.method)

    def dump(self, level: float = 0.95) -> dict[str, Any]:
        """Returns JSON values; the interval is None where nothing can be claimed."""
        interval = self.interval(level)
        bounds = [interval.low, interval.high] if self.claim else None
        return {"mean": self.mean, "error": self.error, "df": self.df, "interval": bounds, "method": self.method}

    def _beyond(self, distance: float) -> float:
        """The chance that the error is at least so large, in either direction."""
        from scipy import special

        if self.error == 0:
            return float(distance == 0)
        sources = [source for source in self.sources if source.error > 0]
        if len(sources) == 1:
            return float(2 * special.stdtr(sources[0].df, -distance / sources[0].error))
        # A t is a normal whose variance is uncertain: the normal chance is averaged over what both variances may be.
        # Where one is far larger than estimated the chance turns fast; the fourth power puts most of the nodes there.
        nodes, weights = _quadrature()
        quantiles, weights = nodes**4, weights * 4 * nodes**3
        first, second = (each.df * each.error**2 / special.chdtri(each.df, 1 - quantiles) for each in sources)
        chances = 2 * special.ndtr(-distance / np.sqrt(first[:, None] + second))
        return float(weights @ chances @ weights)

    def _reach(self, chance: float) -> float:
        """The error that is exceeded with this chance, in either direction."""
        from scipy import optimize, special

        largest = sum(-source.error * float(special.stdtrit(source.df, chance / 2)) for source in self.sources)
        if sum(source.error > 0 for source in self.sources) < 2:
            return largest
        if self._beyond(largest) >= chance:  # one error is nothing but rounding beside the other
            return largest
        root: float = optimize.brentq(lambda reach: self._beyond(reach) - chance, 0, largest, rtol=1e-6)
        return root


@cache
def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE_NODES)
    return (nodes + 1) / 2, weights / 2
