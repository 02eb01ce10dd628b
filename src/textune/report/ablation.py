"""One variable at a time: what each change does to the study as written, and which changes are more than luck."""

# M values, S seeds (repetitions), N rows

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from textune.records import Objective, StudyRecord, TrialRecord, TrialResult, TrialState
from textune.report.markup import Cell, escaped, table
from textune.report.verdict import searches
from textune.space import same_text
from textune.tracking.wording import count, duration, number, setting, short_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from textune.stats.dunnett import Change

__all__ = ["Ablation", "Effect", "ablation_section", "ablations", "difference_text"]

KIND = "one-at-a-time"
LEVEL = 0.95


@dataclass(frozen=True)
class Effect:
    """One value of one dimension, all else as in the study as written.

    Attributes:
        path: of the dimension; empty for the base.
        value: of it; None for the base.
        trials: its repetitions, in their order.
        change: against the base, with an interval that holds for all values together; None where luck is unknown.
    """

    path: str
    value: Any
    trials: tuple[TrialRecord, ...]
    change: Change | None = None

    @property
    def results(self) -> tuple[TrialResult, ...]:
        """How the repetitions ended that came to an end of their own."""
        ended = (trial.result for trial in self.trials)
        return tuple(result for result in ended if result is not None and result.state is TrialState.COMPLETE)

    def mean(self, name: str) -> float | None:
        """Returns the mean of a metric, or of a number of the result such as `best_epoch`, over the repetitions."""
        found = [result.metrics.get(name, getattr(result, name, None)) for result in self.results]
        values = [float(each) for each in found if each is not None]
        return fmean(values) if values else None


@dataclass(frozen=True)
class Ablation:
    """What came of one stage that varies one setting at a time.

    Attributes:
        stage: number of the stage.
        objective: what is compared.
        base: the study as written.
        effects: by dimension, in the order in which they were tried.
        left_out: dimensions that the study names and no trial varied.
        on_rows: how many rows the intervals count as drawn by chance; None where they count seeds alone.
    """

    stage: int
    objective: Objective
    base: Effect
    effects: tuple[Effect, ...]
    left_out: tuple[str, ...] = ()
    on_rows: int | None = None

    @property
    def num_seeds(self) -> int:
        return len(self.base.trials)

    @property
    def dimensions(self) -> dict[str, list[Effect]]:
        """The effects by path."""
        paths = dict.fromkeys(effect.path for effect in self.effects)
        return {path: [effect for effect in self.effects if effect.path == path] for path in paths}

    def combination(self) -> dict[str, Any]:
        """Returns of each dimension the best value that is surely better than the base's; none of the others."""
        better = [effect for effect in self._ranked() if self.is_better(effect)]
        return {effect.path: effect.value for effect in reversed(better)}  # the best of a path is written last

    def best_change(self) -> dict[str, Any]:
        """Returns the one change with the best mean, sure or not; none where the base has it."""
        best, base = next(iter(self._ranked()), None), self._mean(self.base)
        if best is None or base is None or not self.objective.better(self._mean(best) or math.nan, base):
            return {}
        return {best.path: best.value}

    def is_better(self, effect: Effect) -> bool:
        """Whether a change is for the better, beyond luck."""
        return effect.change is not None and effect.change.real and self.gain(effect) > 0

    def gain(self, effect: Effect) -> float:
        """Returns the difference to the base, positive where it is for the better; NaN where it is unknown."""
        ours, base = self._mean(effect), self._mean(self.base)
        if effect.change is not None:
            difference = effect.change.estimate.mean
        else:
            difference = math.nan if ours is None or base is None else ours - base
        return difference if self.objective.direction == "maximize" else -difference

    def _mean(self, effect: Effect) -> float | None:
        return effect.mean("value")

    def _ranked(self) -> list[Effect]:
        return sorted(
            (effect for effect in self.effects if not math.isnan(self.gain(effect))), key=self.gain, reverse=True
        )

    def statements(self) -> list[str]:
        """Returns a sentence for each dimension: what holds, and what is noise; none where luck is unknown."""
        if not any(effect.change for effect in self.effects):
            return []
        names = short_names(self.dimensions)
        return [f"{names[path]}: {self._verdict(effects)}" for path, effects in self.dimensions.items()]

    def _verdict(self, effects: Sequence[Effect]) -> str:
        compared = [effect for effect in effects if effect.change is not None]
        if not compared:
            return "undecided, as too few of its trainings ended well to tell an effect from luck"
        real = [effect for effect in compared if effect.change is not None and effect.change.real]
        if not real:
            largest = max(compared, key=lambda effect: abs(self.gain(effect)))
            return (
                f"noise, no value differs from the base by more than luck; {setting(largest.value)} by {_told(largest)}"
            )
        parts = [
            f"{setting(effect.value)} is {'better' if self.is_better(effect) else 'worse'} by {_told(effect)}"
            for effect in real
        ]
        rest = [setting(effect.value) for effect in compared if effect not in real]
        noise = f"; {' and '.join(rest)}: noise" if rest else ""
        return f"holds, {'; '.join(parts)}{noise}"

    def notes(self) -> list[str]:
        """Returns how the intervals came about, and what they leave out."""
        lines = []
        if not any(effect.change for effect in self.effects):
            lines.append("One training of each value says nothing about luck: set repeats to 3 or more for intervals.")
        else:
            rows = "" if self.on_rows is None else f" and {count(self.on_rows)} rows"
            lines.append(
                "Differences to the base are paired by seed; the intervals hold all together with a chance of "
                f"{LEVEL:.0%} (Dunnett), over {self.num_seeds} seeds{rows}."
            )
        if self.left_out:
            names = ", ".join(self.left_out)
            lines.append(f"Not varied, as the condition does not hold for the study as written: {names}.")
        return lines


def ablations(record: StudyRecord, run_folder: Path | None = None) -> tuple[Ablation, ...]:
    """Returns what is known of each stage that varies one setting at a time.

    Args:
        record: the study, also while it runs.
        run_folder: where the outcomes of its trials lie; without it the intervals count the luck of seeds alone, not
            that of rows.
    """
    found = []
    for stage, search in enumerate(searches(record)):
        sampler = search.get("sampler")
        trials = [trial for trial in record.trials if trial.spec.stage == stage]
        if isinstance(sampler, Mapping) and sampler.get("kind") == KIND and trials:
            found.append(_compared(_ablation(stage, trials, record.objective, search.get("space") or ()), run_folder))
    return tuple(found)


def _ablation(stage: int, trials: Sequence[TrialRecord], objective: Objective, paths: Iterable[str]) -> Ablation:
    points: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        points.setdefault(same_text(trial.spec.params), []).append(trial)
    base, *others = points.values()
    own = base[0].spec.params
    effects = []
    for repetitions in others:
        params = repetitions[0].spec.params  # in the order of the space: what follows from a change comes after it
        path = next(path for path in params if path not in own or same_text(params[path]) != same_text(own[path]))
        effects.append(Effect(path, params[path], tuple(repetitions)))
    left_out = tuple(path for path in paths if path not in own)
    return Ablation(stage, objective, Effect("", None, tuple(base)), tuple(effects), left_out)


def _compared(ablation: Ablation, run_folder: Path | None) -> Ablation:
    """Adds the intervals: of the values that were measured with every seed that measured the base."""
    import numpy as np

    from textune.stats.dunnett import dunnett

    base = _by_seed(ablation.base)
    whole = [effect for effect in ablation.effects if base.keys() <= _by_seed(effect).keys()]
    if len(base) < 2 or not whole:
        return ablation
    trials = [[_by_seed(effect)[seed] for seed in base] for effect in (ablation.base, *whole)]
    scores = _row_scores(trials, ablation.objective, run_folder)
    on_rows = None if scores is None else scores.shape[-1]
    if scores is None:
        scores = np.array([[[_value(trial)] for trial in repetitions] for repetitions in trials])
    changes = iter(dunnett(scores[1:], scores[0], LEVEL))
    effects = tuple(replace(effect, change=next(changes)) if effect in whole else effect for effect in ablation.effects)
    return replace(ablation, effects=effects, on_rows=on_rows)


def _by_seed(effect: Effect) -> dict[int, TrialRecord]:
    return {trial.spec.seed: trial for trial in effect.trials if math.isfinite(_value(trial))}


def _value(trial: TrialRecord) -> float:
    """The objective of a complete trial, otherwise NaN."""
    result = trial.result
    if result is None or result.state is not TrialState.COMPLETE or result.value is None:
        return math.nan
    return result.value


def _row_scores(
    trials: Sequence[Sequence[TrialRecord]], objective: Objective, run_folder: Path | None
) -> NDArray[np.float64] | None:
    """Returns scores_MSN from the outcomes; None where some are gone, or not of the same rows."""
    import numpy as np

    from textune.training.metrics import row_scores
    from textune.training.outcomes import read_outcomes

    metric = objective.metric.removeprefix("valid.")
    scores, positions_N = [], None
    for trial in (trial for repetitions in trials for trial in repetitions):
        folder = None if trial.result is None else trial.result.folder
        if run_folder is None or folder is None:
            return None
        place = Path(folder).parts[-2:]  # the run folder may have been moved; a known result lies with another trial
        outcomes = read_outcomes(run_folder.joinpath("trials", *place, "outcomes.npz"))
        if outcomes is None or (positions_N is not None and not np.array_equal(positions_N, outcomes.positions_N)):
            return None
        positions_N = outcomes.positions_N
        scores.append(row_scores(metric, outcomes.labels_N, outcomes.probabilities_NK))
    return np.stack(scores).reshape(len(trials), len(trials[0]), -1)


def _told(effect: Effect) -> str:
    """Returns how large a change is: its size where it is real, otherwise the difference with its sign."""
    assert effect.change is not None
    mean, interval = effect.change.estimate.mean, effect.change.interval
    if not effect.change.real:
        return f"{_signed(mean)} ({_signed(interval.low)} to {_signed(interval.high)})"
    low, high = sorted((abs(interval.low), abs(interval.high)))
    return f"{number(abs(mean))} ({number(low)} to {number(high)})"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def difference_text(effect: Effect, ablation: Ablation) -> tuple[str, str]:
    """Returns the difference to the base and its interval, as a table shows them."""
    if effect.change is None:
        ours, base = effect.mean("value"), ablation.base.mean("value")
        return ("" if ours is None or base is None or effect is ablation.base else _signed(ours - base)), ""
    interval = effect.change.interval
    return _signed(effect.change.estimate.mean), f"{_signed(interval.low)} to {_signed(interval.high)}"


def ablation_section(ablation: Ablation) -> str:
    """Returns the section of the page."""
    metrics = _metrics(ablation)
    heads = [Cell("setting"), Cell("value")]
    heads += [Cell(name.partition(".")[2].replace("_", " "), "number") for name in metrics]
    heads += [Cell(head, "number") for head in ("best epoch", "epoch time", "to the base", "interval")]
    names = short_names(ablation.dimensions)
    rows = [_cells(ablation.base, ablation, metrics, "as written")]
    rows += [_cells(effect, ablation, metrics, names[effect.path]) for effect in ablation.effects]
    styles = ["", *("winner" if ablation.is_better(effect) else "" for effect in ablation.effects)]
    told = "".join(f"<li>{escaped(line)}</li>" for line in (*ablation.statements(), *ablation.notes()))
    means = "Means over the repetitions. " if ablation.num_seeds > 1 else ""
    return (
        f'<h2 id="one-at-a-time-{ablation.stage}">One variable at a time</h2><p class="lead">{means}Each value alone, '
        'all else as in the study as written. What is surely better is blue.</p><div class="card"><div class="scroll">'
        f'{table(heads, rows, styles)}</div><ul class="notes">{told}</ul></div>'
    )


def _metrics(ablation: Ablation) -> list[str]:
    """The objective, then accuracy and F1 where they were measured."""
    wanted = dict.fromkeys([ablation.objective.metric, "valid.accuracy", "valid.f1_macro"])
    return [name for name in wanted if ablation.base.mean(name) is not None]


def _cells(effect: Effect, ablation: Ablation, metrics: Sequence[str], name: str) -> list[Cell]:
    epoch = effect.mean("best_epoch")
    difference, interval = difference_text(effect, ablation)
    return [
        Cell(name, "name", title=effect.path),
        Cell(setting(effect.value) if effect.path else "", "name"),
        *(Cell(number(effect.mean(metric)), "number") for metric in metrics),
        Cell("–" if epoch is None else f"{epoch:.3g}", "number"),
        Cell(duration(effect.mean("seconds_per_epoch")), "number"),
        Cell(difference, "number"),
        Cell(interval, "number"),
    ]
