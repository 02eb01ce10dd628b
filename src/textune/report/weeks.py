"""The best configuration against the base point inside each range of dates, as sure as whole weeks make it."""

# N rows

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textune.report.verdict import base_trial

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from textune.records import StudyRecord
    from textune.stats.intervals import Interval

__all__ = ["WeeklyDifference", "weekly_differences"]


@dataclass(frozen=True)
class WeeklyDifference:
    """How much better the best configuration is in a range; None as interval where a range has too few weeks."""

    mean: float
    interval: Interval | None


def weekly_differences(run_folder: Path, record: StudyRecord) -> tuple[WeeklyDifference, ...]:
    """Compares the outcomes that the best trial and the base point left, in each range and in all together.

    Returns:
        One difference per range and that of their mean; none where the rows have no dates, or nothing is to compare.
    """
    import numpy as np

    from textune.run_folder import RunFolder
    from textune.training.metrics import row_scores
    from textune.training.outcomes import read_outcomes

    best, base = record.best, base_trial(record)
    if best is None or base is None or best is base:
        return ()
    folder = RunFolder(run_folder)
    ours, theirs = (read_outcomes(folder.outcomes(trial.spec.number, trial.spec.attempt)) for trial in (best, base))
    if ours is None or theirs is None or ours.dates_N is None:
        return ()
    if not np.array_equal(ours.positions_N, theirs.positions_N):
        return ()
    metric = record.objective.metric.removeprefix("valid.")
    sign = 1 if record.objective.direction == "maximize" else -1
    days_N, ranges_N = ours.dates_N.astype(np.int64), ours.folds_N
    differences_N = np.zeros(len(days_N))
    parts = [ranges_N == number for number in np.unique(ranges_N)]
    for part_N in parts:
        scores = [row_scores(metric, each.labels_N[part_N], each.probabilities_NK[part_N]) for each in (ours, theirs)]
        differences_N[part_N] = sign * (scores[0] - scores[1])
    parts.append(np.ones(len(ranges_N), dtype=np.bool_))
    return tuple(_difference(differences_N[part_N], days_N[part_N], ranges_N[part_N]) for part_N in parts)


def _difference(
    differences_N: NDArray[np.float64], days_N: NDArray[np.int64], ranges_N: NDArray[np.int64]
) -> WeeklyDifference:
    import numpy as np

    from textune.stats.blocks import by_week

    mean = float(np.mean([differences_N[ranges_N == number].mean() for number in np.unique(ranges_N)]))
    try:
        return WeeklyDifference(mean, by_week(differences_N, days_N, ranges_N))
    except ValueError:  # rows of one week only
        return WeeklyDifference(mean, None)
