"""Two configurations measured side by side: the mean difference, with the variance that the design really has."""

# J repeats, S seeds, N rows, R ranges, B bootstrap resamples

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from textune.stats.estimates import Estimate, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["MIN_RANGES", "crossed", "mcnemar", "pigeonhole", "pseudo_values", "ranges", "resplit"]

MIN_RANGES = 5


def resplit(differences_J: NDArray[np.float64], num_scored: int, num_train: int) -> Estimate:
    """Estimates a mean difference from repeats that each draw anew which rows are scored and which are trained on.

    Train parts overlap, so the repeats are correlated and s²/J is far too small: the variance of the mean is
    (1/J + num_scored/num_train) · s². A share of n rows comes in steps of 1/n; the variance of rounding two of them,
    1/(6n²), is added to s², so that few repeats on few rows that agree by chance prove nothing.

    Raises:
        ValueError: fewer than two repeats.

    Source: Nadeau & Bengio, "Inference for the generalization error", Machine Learning 2003, section 3; Sheppard,
    Proceedings of the London Mathematical Society 1898 (rounding).
    """
    num_repeats = _several("repeats", differences_J)
    one_repeat = float(differences_J.var(ddof=1)) + 1 / (6 * num_scored**2)
    error = math.sqrt((1 / num_repeats + num_scored / num_train) * one_repeat)
    return Estimate(float(differences_J.mean()), (Source(error, num_repeats - 1),), "corrected resampled t")


def crossed(differences_SN: NDArray[np.float64]) -> Estimate:
    """Estimates a mean difference from S seeds that are all scored on the same N rows.

    Seeds and rows are both samples: Var(mean) = σ²_seed/S + σ²_row/N + σ²_rest/(NS), from the mean squares of the
    two-way layout without replication. A component below zero counts as none, so the variance is never below what
    seeds alone, rows alone or the rest alone show. The mean square of seeds holds σ²_rest too and has S - 1 degrees of
    freedom; rows add what theirs has beyond the rest. Where no row differs the error is as if one had.

    Args:
        differences_SN: first configuration minus second, per seed and row; of a metric that is no mean over rows its
            `pseudo_values`.

    Raises:
        ValueError: fewer than two seeds or rows.

    Source: Searle, Casella & McCulloch, "Variance Components", 1992, chapter 4; two samples of unequal precision as
    in `Estimate`.
    """
    num_seeds, num_rows = _several("seeds", differences_SN), _several("rows", differences_SN.T)
    seed_S, row_N, mean = differences_SN.mean(1), differences_SN.mean(0), float(differences_SN.mean())
    mean_square_seed = num_rows * float(seed_S.var(ddof=1))
    mean_square_row = num_seeds * float(row_N.var(ddof=1))
    total = float(((differences_SN - mean) ** 2).sum())
    rest = total - (num_seeds - 1) * mean_square_seed - (num_rows - 1) * mean_square_row
    mean_square_rest = max(rest, 0.0) / ((num_seeds - 1) * (num_rows - 1))
    cells = num_seeds * num_rows
    seeds = Source(math.sqrt(mean_square_seed / cells), num_seeds - 1)
    rows = Source(math.sqrt(max(mean_square_row - mean_square_rest, 0) / cells), num_rows - 1)
    if not differences_SN.any():
        rows = Source(1 / num_rows, num_rows - 1)
    return Estimate(mean, (seeds, rows), "seeds × rows")


def ranges(differences_R: NDArray[np.float64]) -> Estimate:
    """Estimates a mean difference from R date ranges, each one independent unit (seeds averaged inside).

    Under five ranges nothing is claimed: t then has too few degrees of freedom to tell anything but luck.

    Raises:
        ValueError: fewer than two ranges.
    """
    num_ranges = _several("ranges", differences_R)
    error = float(differences_R.std(ddof=1)) / math.sqrt(num_ranges)
    source = Source(error, num_ranges - 1)
    return Estimate(float(differences_R.mean()), (source,), "t over ranges", claim=num_ranges >= MIN_RANGES)


def pseudo_values(metric: Callable[..., float], *columns: NDArray[Any]) -> NDArray[np.float64]:
    """Returns one value per row whose mean stands for the metric: n·metric(all) - (n - 1)·metric(all but this row).

    It makes a mean over rows of a smooth metric that is none, such as a macro F1, so that `crossed` applies. Rows that
    are equal in all columns are computed once.

    Args:
        metric: of the columns to one number.
        columns: 1-D arrays over the same rows, such as labels_N and predictions_N.

    Raises:
        ValueError: fewer than two rows.

    Source: Tukey, "Bias and confidence in not quite large samples", 1958; Miller, "The jackknife", Biometrika 1974.
    """
    num_rows = _several("rows", columns[0])
    _, first, kind_N = np.unique(np.stack(columns, 1), axis=0, return_index=True, return_inverse=True)
    whole = num_rows * metric(*columns)
    without = [whole - (num_rows - 1) * metric(*(np.delete(column, row) for column in columns)) for row in first]
    return np.asarray(without, np.float64)[kind_N.ravel()]


def pigeonhole(
    metric: Callable[[NDArray[np.int64], NDArray[np.int64]], float],
    num_seeds: int,
    num_rows: int,
    *,
    resamples: int = 1_000,
    seed: int = 0,
) -> Estimate:
    """Estimates a difference of any metric on S seeds × N rows by drawing seeds and rows anew, each with replacement.

    It needs no model, and is a check of `crossed`: it counts what seeds and rows do together up to three times, so it
    errs towards caution. Drawing S seeds of S shows (S - 1)/S of their variance; the error is widened by that.

    Args:
        metric: of the numbers of the drawn seeds and of the drawn rows to the difference on them.
        num_seeds: S, at least two.
        num_rows: N, at least two.
        resamples: how often both are drawn.
        seed: of the draws.

    Raises:
        ValueError: fewer than two seeds or rows.

    Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007.
    """
    all_S, all_N = np.arange(num_seeds), np.arange(num_rows)
    _several("seeds", all_S)
    _several("rows", all_N)
    rng = np.random.default_rng(seed)
    drawn_B = [metric(rng.choice(all_S, num_seeds), rng.choice(all_N, num_rows)) for _ in range(resamples)]
    error = float(np.std(drawn_B, ddof=1)) * math.sqrt(num_seeds / (num_seeds - 1))
    return Estimate(metric(all_S, all_N), (Source(error, num_seeds - 1),), "pigeonhole bootstrap")


def mcnemar(correct_a_N: NDArray[np.bool_], correct_b_N: NDArray[np.bool_]) -> float:
    """Returns the exact two-sided p that two trained models are right equally often.

    It is about these two models alone, not about their configurations: another seed is another model.

    Source: McNemar, Psychometrika 1947; exact as in Edwards, Psychometrika 1948.
    """
    from scipy import stats

    only_a, only_b = int(np.sum(correct_a_N & ~correct_b_N)), int(np.sum(correct_b_N & ~correct_a_N))
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def _several(what: str, values: NDArray[Any]) -> int:
    if len(values) < 2:
        raise ValueError(f"a difference needs at least two {what} to tell its error, not {len(values)}")
    return len(values)
