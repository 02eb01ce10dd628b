"""Which settings went along with the objective: a hint for reading a search, not a proof of cause."""

# N trials, G groups, R permutations

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

__all__ = ["Association", "association"]

MIN_TRIALS = 8
MAX_BINS = 4
MIN_TRIALS_PER_BIN = 4
PERMUTATIONS = 1_000


@dataclass(frozen=True)
class Association:
    """How much one setting explains of the objective's ranks.

    Attributes:
        share: η² of the ranks, 0 (nothing beyond chance) … 1 (everything); corrected for the number of groups.
        p_value: how often shuffled objectives show at least as much.
        num_trials: how many trials it comes from.
    """

    share: float
    p_value: float
    num_trials: int


def association(values: Sequence[Hashable], scores: Sequence[float], seed: int = 0) -> Association | None:
    """Compares the objective between groups of trials by the Kruskal-Wallis statistic, with a permutation test.

    Numbers are put into up to four equally full bins, so an optimum in the middle of a range counts as much as a
    trend; any other value is its own group. All settings are thereby measured alike.

    Returns:
        None where nothing can be said: fewer than eight trials, one group only, or one value of the objective only.

    Source: Kruskal & Wallis, JASA 1952; η² of H as in Tomczak & Tomczak, Trends in Sport Sciences 2014.
    """
    num_trials = len(scores)
    if num_trials < MIN_TRIALS:
        return None
    groups_N = _groups(values)
    num_groups = int(groups_N.max()) + 1
    ranks_N = _midranks(np.asarray(scores, np.float64))
    if not 1 < num_groups < num_trials or np.ptp(ranks_N) == 0:
        return None
    member_NG = np.eye(num_groups)[groups_N]
    explained = _explained(ranks_N[None], member_NG)[0]
    shuffled_RN = np.random.default_rng(seed).permuted(np.tile(ranks_N, (PERMUTATIONS, 1)), axis=1)
    as_large = int(np.sum(_explained(shuffled_RN, member_NG) >= explained - 1e-12))
    corrected = ((num_trials - 1) * explained - num_groups + 1) / (num_trials - num_groups)
    return Association(max(0.0, float(corrected)), (1 + as_large) / (1 + PERMUTATIONS), num_trials)


def _explained(ranks_RN: NDArray[np.float64], member_NG: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the ranks' variance that lies between groups, one number per row: H / (N - 1)."""
    centred_RN = ranks_RN - ranks_RN.mean(1, keepdims=True)
    between_R = ((centred_RN @ member_NG) ** 2 / member_NG.sum(0)).sum(1)
    shares_R: NDArray[np.float64] = between_R / (centred_RN**2).sum(1)
    return shares_R


def _groups(values: Sequence[Hashable]) -> NDArray[np.int64]:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        numbers_N = np.asarray(values, np.float64)
        if len(np.unique(numbers_N)) > MAX_BINS:
            num_bins = max(2, min(MAX_BINS, len(values) // MIN_TRIALS_PER_BIN))
            edges = np.quantile(numbers_N, np.linspace(0, 1, num_bins + 1)[1:-1])
            bins_N = np.searchsorted(edges, numbers_N, side="left")
            return np.unique(bins_N, return_inverse=True)[1].astype(np.int64)
    index = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.asarray([index[value] for value in values], np.int64)


def _midranks(scores_N: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse_N, counts = np.unique(scores_N, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks_N: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse_N]
    return ranks_N
