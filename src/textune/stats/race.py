"""The sequential decision between configurations: who drops out at a look, and what may be said at the end."""

# C candidates, J repeats

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from textune.stats.estimates import Estimate, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from textune.stats.intervals import Interval

__all__ = ["Comparison", "Kind", "Look", "Race", "Verdict", "holm", "looks"]

FIRST_LOOK = 3
IDENTICAL = Estimate(0.0, (Source(0.0, 1),), "identical predictions")


class Kind(StrEnum):
    """What may be said at the end of a race."""

    WINNER = "winner"
    TIE = "tie"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Comparison:
    """The leader of a look against another candidate.

    Attributes:
        candidate: the other one.
        estimate: how much better the leader is; positive whatever the direction of the metric.
        p_value: two-sided, by Holm's method among the comparisons of this look.
        level: of the interval, simultaneous over all pairs of candidates of this look.
        worse: the candidate is significantly worse than the leader.
        within_margin: at most the margin worse, by the interval.
    """

    candidate: str
    estimate: Estimate
    p_value: float
    level: float
    worse: bool
    within_margin: bool

    @property
    def interval(self) -> Interval:
        """The simultaneous interval of the difference."""
        return self.estimate.interval(self.level)


@dataclass(frozen=True)
class Verdict:
    """The end of a race: what it may be called, who is chosen, and why in one sentence."""

    kind: Kind
    chosen: str
    reason: str


@dataclass(frozen=True)
class Look:
    """What one look at the scores decided.

    Attributes:
        number: of the look, from 0.
        level: the share of α spent on it.
        leader: the candidate with the best mean.
        comparisons: the leader against each other candidate, best first.
        dropped: those that are out from here on, best first.
        remaining: the others, the leader first.
        verdict: the decision, or None where the race goes on.
    """

    number: int
    level: float
    leader: str
    comparisons: tuple[Comparison, ...]
    dropped: tuple[str, ...]
    remaining: tuple[str, ...]
    verdict: Verdict | None


@dataclass(frozen=True)
class Race:
    """Decides between candidates by looking at their growing scores a few times, fixed in advance.

    A function of the scores alone: the same scores give the same decisions, so a race can be replayed. At each look the
    leader is compared with every other candidate; those significantly worse (Holm) and not shown to be within the
    margin drop out. α is the chance of a false winner over the whole race: one called better than all although another
    is at least as good. Such a claim needs every other candidate rejected, which is why comparisons with the leader
    suffice and not all pairs need be counted (`benchmarks/results/confirmation.md`).

    Of α the share (k/L)² is spent by look k of L, each look having its part alone, whatever the looks have in common:
    with few repeats early looks can decide little, and the power stands in the last ones.

    Attributes:
        estimate: of paired differences (first axis: repeats) to their mean and error, such as `crossed` or
            `partial(resplit, num_scored=…, num_train=…)`.
        num_looks: how many looks are planned.
        alpha: the chance of a false winner over the whole race.
        margin: differences smaller than this do not matter, in the unit of the metric.
        maximize: whether a larger score is better.
        costs: per candidate, the cheapest has the smallest; tuples are compared from the left.

    Source: Kim & DeMets, Biometrika 1987 (the spending function); Berger, Technometrics 1982 (a claim that needs all of
    several rejections).
    """

    estimate: Callable[[NDArray[np.float64]], Estimate]
    num_looks: int
    alpha: float = 0.05
    margin: float = 0.005
    maximize: bool = True
    costs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def look(
        self,
        number: int,
        scores: Mapping[str, NDArray[np.float64]],
        *,
        predictions: Mapping[str, Hashable] | None = None,
        last: bool = False,
    ) -> Look:
        """Compares the candidates that remain.

        Args:
            number: of the look, from 0 to `num_looks` - 1.
            scores: per remaining candidate an array whose first axis are the repeats so far, paired between candidates:
                J scores, S seeds × N rows, or what else `estimate` takes.
            predictions: per candidate something that two candidates share only where they predicted the same on every
                row, such as a digest of the probabilities: they are then one and tie, however few rows there are.
                Equal scores alone do not show that.
            last: no more repeats will come, though more looks were planned; what is left of α is spent on this one.

        Raises:
            ValueError: no such look, fewer than two candidates, or a score that is not finite.
        """
        self._check(number, scores)
        last = last or number == self.num_looks - 1
        level = self._spent(self.num_looks if last else number + 1) - self._spent(number)
        sign = 1 if self.maximize else -1
        order = sorted(scores, key=lambda candidate: -sign * float(scores[candidate].mean()))
        pair_level = 1 - level / math.comb(len(order), 2)

        def difference(one: str, other: str) -> Estimate:
            if predictions and one in predictions and predictions[one] == predictions.get(other):
                return IDENTICAL
            return self.estimate(sign * (scores[one] - scores[other]))

        estimates = [difference(order[0], other) for other in order[1:]]
        comparisons = []
        for other, estimate, p_value in zip(order[1:], estimates, holm([e.p_value() for e in estimates]), strict=True):
            within_margin = estimate.below(self.margin, pair_level)
            comparisons.append(Comparison(other, estimate, p_value, pair_level, p_value <= level, within_margin))
        dropped = tuple(each.candidate for each in comparisons if each.worse and not each.within_margin)
        remaining = tuple(candidate for candidate in order if candidate not in dropped)
        kind = self._kind(remaining, difference, pair_level)
        ended = last or kind is not Kind.UNDECIDED
        verdict = self._verdict(kind, remaining, comparisons) if ended else None
        return Look(number, level, order[0], tuple(comparisons), dropped, remaining, verdict)

    def _spent(self, num_looks: int) -> float:
        return self.alpha * (num_looks / self.num_looks) ** 2

    def _kind(self, remaining: Sequence[str], difference: Callable[[str, str], Estimate], pair_level: float) -> Kind:
        if len(remaining) == 1:
            return Kind.WINNER
        for one, other in combinations(remaining, 2):
            estimate = difference(one, other)
            if not (estimate.below(self.margin, pair_level) and estimate.above(-self.margin, pair_level)):
                return Kind.UNDECIDED
        return Kind.TIE

    def _verdict(self, kind: Kind, remaining: Sequence[str], comparisons: Sequence[Comparison]) -> Verdict:
        leader = remaining[0]
        if kind is Kind.WINNER:
            return Verdict(kind, leader, "it is significantly better than every other candidate")
        good = [leader, *(each.candidate for each in comparisons if each.within_margin)]
        chosen = min(good, key=lambda candidate: self.costs.get(candidate, (math.inf,)))
        margin = f"the margin of {self.margin:g}"
        if kind is Kind.TIE:
            reason = f"all {len(remaining)} that remain are equal within {margin}; the cheapest is taken"
        elif len(good) == 1:
            reason = f"none of the {len(remaining)} that remain is proved to be best; the best mean is taken"
        else:
            reason = f"{len(good)} are as good as the best mean within {margin}; the cheapest is taken"
        return Verdict(kind, chosen, reason)

    def _check(self, number: int, scores: Mapping[str, NDArray[np.float64]]) -> None:
        if not 0 <= number < self.num_looks:
            raise ValueError(f"look {number} was not planned; there are {self.num_looks}, counted from 0")
        if len(scores) < 2:
            raise ValueError("a race needs at least two candidates")
        if broken := [name for name, values in scores.items() if not np.isfinite(values).all()]:
            raise ValueError(f"scores of {', '.join(broken)} are not finite")


def looks(max_repeats: int) -> tuple[int, ...]:
    """Returns after how many repeats to look: 3, 5, 8, 12, 18 …, each half as many again, up to `max_repeats`.

    With fewer than three repeats the only look comes after all of them.
    """
    if max_repeats < FIRST_LOOK:
        return (max_repeats,)
    planned = [FIRST_LOOK]
    while (following := (3 * planned[-1] + 1) // 2) <= max_repeats:
        planned.append(following)
    return tuple(planned)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns the p values adjusted for their number: reject those ≤ α to keep the chance of any false one ≤ α.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979.
    """
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
