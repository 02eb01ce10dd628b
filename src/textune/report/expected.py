"""What a search of n trials could be expected to find; of independent trials only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textune.records import Fidelity, StudyRecord, TrialState
from textune.report.claims import level_of
from textune.report.frame import Figure, framed, whole_numbers
from textune.report.verdict import base_trial, searches

if TYPE_CHECKING:
    from textune.records import TrialRecord

__all__ = ["ExpectedBest", "expected_best", "figure"]

INDEPENDENT = ("random", "qmc")
MIN_TRIALS = 5


@dataclass(frozen=True)
class ExpectedBest:
    """The best of 1, 2, … n trials.

    Attributes:
        metric: the objective.
        expected: its mean.
        low, high: a band that holds its true median, for each n with probability `level`; None where nothing bounds it.
        level: of the band.
    """

    metric: str
    expected: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    level: float

    @property
    def caption(self) -> str:
        """What the figure shows, in words."""
        return (
            f"What n trials, drawn as these {len(self.expected)} were, find in the mean. The area holds the median "
            f"with {level_of(self.level)}, as far as so few can tell; the right end rests on the best of them alone. "
            "Failed trials and the study as written are not counted."
        )


def expected_best(record: StudyRecord) -> ExpectedBest | None:
    """Returns the best to expect of n trials; None where trials learned from each other, or not all ran in full."""
    stages = searches(record)
    sampler = stages[0].get("sampler")
    kind = sampler.get("kind") if isinstance(sampler, dict) else None
    if len(stages) > 1 or kind not in INDEPENDENT or record.count(TrialState.PRUNED):
        return None
    base = base_trial(record)
    values = [value for trial in record.trials if trial is not base and (value := _value(trial)) is not None]
    if len(values) < MIN_TRIALS:
        return None
    from textune.stats.best_of_n import best_of_n

    found = best_of_n(values, maximize=record.objective.direction == "maximize")
    return ExpectedBest(
        metric=record.objective.metric,
        expected=tuple(found.expected_N.tolist()),
        low=tuple(map(_finite, found.low_N.tolist())),
        high=tuple(map(_finite, found.high_N.tolist())),
        level=found.level,
    )


def _value(trial: TrialRecord) -> float | None:
    """What a trial scored that counts: in full, and for itself."""
    spec, result = trial.spec, trial.result
    if result is None or result.value is None or not math.isfinite(result.value):
        return None
    counts = result.state is TrialState.COMPLETE and spec.repeat_of is None and spec.fidelity == Fidelity()
    return result.value if counts else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def figure(best: ExpectedBest) -> Figure:
    """The expected best by the number of trials, with its band."""
    counts = list(range(1, len(best.expected) + 1))
    bounds = [
        (n, low, high) for n, low, high in zip(counts, best.low, best.high, strict=True) if None not in (low, high)
    ]
    edge: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    traces = [
        {**edge, "x": [n for n, _, _ in bounds], "y": [low for _, low, _ in bounds]},
        {
            **edge,
            "x": [n for n, _, _ in bounds],
            "y": [high for _, _, high in bounds],
            "fill": "tonexty",
            "fillcolor": "veil",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "expected best",
            "x": counts,
            "y": list(best.expected),
            "line": {"color": "accent", "width": 2.5},
            "hovertemplate": "best of %{x}: %{y:.4f}<extra></extra>",
        },
    ]
    drawn = framed([trace for trace in traces if trace["x"]], x="trials", y=best.metric)
    return whole_numbers(drawn, len(counts))
