"""How far a score measured on N rows may be from the true one."""

# N rows

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["Interval", "bootstrap", "wilson"]

MAX_BCA_ROWS = 2_000  # BCa evaluates the metric once per row left out; above this the correction is negligible


@dataclass(frozen=True)
class Interval:
    """A confidence interval; `level` is its coverage, `method` what a person may look up."""

    low: float
    high: float
    level: float
    method: str

    def dump(self) -> dict[str, Any]:
        """Returns the interval as JSON values, as `StudyRecord.test["interval"]` holds it."""
        return asdict(self)


def wilson(successes: int, total: int, level: float = 0.95) -> Interval:
    """Returns the score interval of a proportion, such as an accuracy.

    It stays inside [0, 1] and keeps its coverage near both ends, where the normal interval collapses.

    Raises:
        ValueError: no rows, or more successes than rows.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    if not 0 <= successes <= total or total == 0:
        raise ValueError(f"{successes} successes in {total} rows are no proportion")
    z = NormalDist().inv_cdf((1 + level) / 2)
    proportion = successes / total
    scale = 1 + z * z / total
    centre = (proportion + z * z / (2 * total)) / scale
    half_width = z * math.sqrt(proportion * (1 - proportion) / total + z * z / (4 * total * total)) / scale
    low = 0.0 if successes == 0 else centre - half_width
    high = 1.0 if successes == total else centre + half_width
    return Interval(low, high, level, "Wilson")


def bootstrap(
    metric: Callable[..., float], *columns: NDArray[Any], level: float = 0.95, resamples: int = 1_000, seed: int = 0
) -> Interval:
    """Returns the interval of `metric(*columns)` when rows are drawn anew with replacement.

    Args:
        metric: of the resampled columns to one number.
        columns: arrays whose first axis are the same N rows (labels_N, probabilities_NK, …).
        level: coverage.
        resamples: how often the rows are drawn.
        seed: of the draws; equal seeds give equal intervals.

    Raises:
        ValueError: fewer than two rows, or columns of different lengths.

    Source: Efron, "Better bootstrap confidence intervals", JASA 1987 (BCa; plain percentiles for many rows).
    """
    num_rows = len(columns[0])
    if num_rows < 2 or any(len(column) != num_rows for column in columns):
        raise ValueError(
            f"a bootstrap needs at least two rows in columns of one length, not {[len(c) for c in columns]}"
        )
    if num_rows <= MAX_BCA_ROWS:
        interval = _bootstrap("BCa", metric, columns, level=level, resamples=resamples, seed=seed)
        if math.isfinite(interval.low) and math.isfinite(interval.high):
            return interval  # a metric that no single row moves has no acceleration, hence no BCa interval
    return _bootstrap("percentile", metric, columns, level=level, resamples=resamples, seed=seed)


def _bootstrap(
    method: Literal["BCa", "percentile"],
    metric: Callable[..., float],
    columns: Sequence[NDArray[Any]],
    *,
    level: float,
    resamples: int,
    seed: int,
) -> Interval:
    from scipy import stats

    def of_rows(rows_N: NDArray[np.int64]) -> float:
        return metric(*(column[rows_N] for column in columns))

    num_rows = len(columns[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degenerate data gives NaN, which the caller handles
        result = stats.bootstrap(
            (np.arange(num_rows),),
            of_rows,
            vectorized=False,
            n_resamples=resamples,
            batch=1 + 2_000_000 // num_rows,
            confidence_level=level,
            method=method,
            rng=np.random.default_rng(seed),
        )
    low, high = result.confidence_interval
    return Interval(float(low), float(high), level, f"bootstrap ({method})")
