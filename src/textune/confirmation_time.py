"""How long a confirmation may take, and which `confirm.max_share` would be enough where that is too short."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textune.study import Candidate
from textune.tracking.wording import duration

__all__ = ["TimeAllowed"]

MORE = 1.1
"""A suggested share has this much more time than the trainings took, as they are not always as fast."""


@dataclass(frozen=True)
class TimeAllowed:
    """Seconds of trainings, added up.

    Attributes:
        total: what the confirmation may take.
        reserve: what of it is kept for the score of what is chosen.
        searched: what the trials of the search took.
    """

    total: float
    reserve: float
    searched: float

    @property
    def repeats(self) -> float:
        """What the repeats may take."""
        return self.total - self.reserve

    def affordable(self, candidates: list[Candidate], num_repeats: int) -> list[Candidate]:
        """Returns as many candidates, the first ones, as can be trained so often in the time."""
        count = len(candidates)
        while count and num_repeats * sum(each.seconds for each in candidates[:count]) > self.repeats:
            count -= 1
        return candidates[:count]

    def enough_share(self, candidates: Sequence[Candidate], num_repeats: int) -> float | None:
        """Returns the share with time for so many repeats, rounded up; None after a search that took no time."""
        needed = num_repeats * sum(each.seconds for each in candidates) + self.reserve
        if not self.searched or not needed:
            return None
        share = MORE * needed / self.searched
        digit = 10.0 ** (math.floor(math.log10(share)) - 1)
        return float(f"{math.ceil(share / digit) * digit:.2g}")

    def too_short(self, candidates: Sequence[Candidate], num_repeats: int) -> str:
        """Returns why two configurations cannot be trained so often, and what to do."""
        needed = num_repeats * sum(each.seconds for each in candidates[:2]) + self.reserve
        share = self.enough_share(candidates[:2], num_repeats)
        more = "allow more" if share is None else f"set confirm.max_share to {share:g}"
        return (
            f"{num_repeats} trainings each of two configurations{', and their score,' * bool(self.reserve)} take about "
            f"{duration(needed)}, and confirm.max_share allows {duration(self.total)}; {more}, or search longer"
        )

    def enough(
        self, candidates: list[Candidate], running: list[Candidate], planned: Sequence[int], verdict: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns, as JSON values, which shares have time for candidates that were left out, and for all repeats."""
        enough: dict[str, float | None] = {"candidates": None, "repeats": None}
        if len(running) < len(candidates):
            enough["candidates"] = self.enough_share(candidates, planned[0])
        if all(len(each["values"]) < planned[-1] for each in verdict["candidates"]):
            enough["repeats"] = self.enough_share(running, planned[-1])
        return {"enough": enough} if any(enough.values()) else {}
