"""What finished trainings say of the short forms."""

# C configurations

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from textune.config.study import ConfirmConfig, ShortConfig
from textune.errors import Problem, StudyError
from textune.fidelity.design import AGAIN, ENOUGH, FULL, IN_FULL, Configuration, Design
from textune.records import EndReason, Fidelity, Progress, StudyRecord, TrialRecord, TrialState
from textune.stats.fidelity import Agreement, Form, agreements, recommend
from textune.stats.intervals import Interval
from textune.tracking.wording import count, short_form
from textune.training.metrics import greater_is_better

__all__ = ["conclude"]

Values = NDArray[np.float64]


def conclude(record: StudyRecord, design: Design, margin: float | None = None) -> dict[str, Any]:
    """Returns what finished trainings say of the short forms, as JSON values.

    Args:
        record: its `repeats` are all trainings of the design.
        design: of them.
        margin: differences within this do not matter; None: as the confirmation has it.

    Raises:
        StudyError: so many trainings failed that nothing can be said.
    """
    config = design.loaded.config
    margin = (config.confirm or ConfirmConfig()).margin if margin is None else margin
    trainings = _Trainings(design, record.repeats)
    fidelities = {short_form(each): each for each in design.forms(trainings.num_folds)}
    full = trainings.form(IN_FULL)
    ceiling, *found = agreements(full, [trainings.form(each) for each in fidelities.values()], seed=config.seed)
    found.sort(key=lambda each: each.form.cost)
    chosen = recommend(found, margin)
    return {
        "name": record.name,
        "objective": record.objective.model_dump(),
        "margin": margin,
        "recommended": None if chosen is None else _short(fidelities[chosen.form.name]),
        "ceiling": _told(ceiling, IN_FULL),
        "forms": [_told(each, fidelities[each.form.name]) for each in found],
        "configurations": [trainings.told(each) for each in design.configurations],
        "notes": [*_on_ceiling(ceiling), *_notes(design, record.repeats)],
    }


class _Trainings:
    """What was measured: configuration, number and fidelity of the training → its record."""

    def __init__(self, design: Design, records: Sequence[TrialRecord]) -> None:
        self._design, self._objective = design, design.loaded.config.objective
        self._records: dict[tuple[int, int, Fidelity], TrialRecord] = {}
        for record in records:
            spec = record.spec
            assert spec.repeat is not None
            assert spec.candidate is not None
            self._records[spec.candidate, spec.repeat.number, spec.fidelity] = record
        measured = [progress.fold for record in records for progress in record.progress]
        self.num_folds = max(measured, default=0) + 1

    def form(self, fidelity: Fidelity) -> Form:
        """Returns a form with what it measured; in full, or a part of that, it is judged by the other one in full."""
        source = self._design.source(fidelity)
        full, again = self._values(FULL, IN_FULL, IN_FULL), self._values(AGAIN, IN_FULL, IN_FULL)
        if source is None:
            one, other = (self._values(repeat, IN_FULL, fidelity) for repeat in (FULL, AGAIN))
            pairs, sources = ((one, again), (other, full)), [(FULL, IN_FULL), (AGAIN, IN_FULL)]
        else:
            values_C = self._values(*source, fidelity)
            pairs, sources = ((values_C, full), (values_C, again)), [source]
        seconds = sum(self._seconds(*each, fidelity) for each in sources) / len(sources)
        in_full = sum(self._seconds(repeat, IN_FULL, IN_FULL) for repeat in (FULL, AGAIN)) / 2
        return Form(short_form(fidelity), seconds / in_full, pairs)

    def told(self, configuration: Configuration) -> dict[str, Any]:
        """Returns a configuration, its values in full, and its valid loss by epoch (mean over the folds)."""
        record = self._records[configuration.number, FULL, IN_FULL]
        by_epoch: dict[int, list[float]] = {}
        for progress in record.progress:
            by_epoch.setdefault(progress.epoch, []).append(progress.metrics["valid.loss"])
        again = self._records[configuration.number, AGAIN, IN_FULL]
        values = [each.result.value if _is_complete(each) and each.result else None for each in (record, again)]
        return {
            "number": configuration.number,
            "params": dict(configuration.params),
            "values": values,
            "valid_loss": [float(np.mean(losses)) for _, losses in sorted(by_epoch.items())],
        }

    def _values(self, repeat: int, trained: Fidelity, fidelity: Fidelity) -> Values:
        """Returns values_C, greater being better; one that failed counts as much as the worst."""
        sign = 1 if self._objective.direction == "maximize" else -1
        values_C = np.array(
            [
                sign * self._value(self._records[each.number, repeat, trained], fidelity)
                for each in self._design.configurations
            ]
        )
        failed_C = ~np.isfinite(values_C)
        if failed_C.all():
            raise StudyError([Problem("", "training", f"failed for every configuration ({short_form(trained)})")])
        return np.where(failed_C, values_C[~failed_C].min(), values_C)

    def _value(self, record: TrialRecord, fidelity: Fidelity) -> float:
        """Returns what a training would have come to with fewer epochs or folds; NaN if it failed."""
        if not _is_complete(record):
            return math.nan
        watched = record.spec.config["training"]["early_stopping"]["metric"]
        is_greatest = greater_is_better(watched) if watched else self._objective.direction == "maximize"
        sign, name = 1 if is_greatest else -1, watched or self._objective.metric
        parts = self._parts(record, fidelity).values()
        best = [max(part, key=lambda each: sign * each.metrics[name]) for part in parts]  # whose weights are kept
        return float(np.mean([progress.value for progress in best]))

    def _seconds(self, repeat: int, trained: Fidelity, fidelity: Fidelity) -> float:
        records = [self._records[each.number, repeat, trained] for each in self._design.configurations]
        parts = [part for each in records for part in self._parts(each, fidelity).values()]
        return sum(progress.seconds for part in parts for progress in part)

    def _parts(self, record: TrialRecord, fidelity: Fidelity) -> dict[int, list[Progress]]:
        """Returns the measurements of each fold, as far as the form has them."""
        parts: dict[int, list[Progress]] = {}
        for progress in record.progress:
            if fidelity.folds is not None and progress.fold < self.num_folds - fidelity.folds:
                continue
            if fidelity.epochs is None or progress.epoch <= fidelity.epochs:
                parts.setdefault(progress.fold, []).append(progress)
        return parts


def _is_complete(record: TrialRecord) -> bool:
    return record.result is not None and record.result.state is TrialState.COMPLETE


def _short(fidelity: Fidelity) -> dict[str, Any]:
    """Returns what stands below `short` in a study."""
    return ShortConfig(**fidelity.model_dump()).model_dump(exclude_none=True)


def _told(agreement: Agreement, fidelity: Fidelity) -> dict[str, Any]:
    return {
        "form": agreement.form.name,
        "short": _short(fidelity),
        "cost": agreement.form.cost,
        "kendall": _correlation(agreement.kendall, agreement.kendall_interval),
        "spearman": _correlation(agreement.spearman, agreement.spearman_interval),
        "regret": agreement.regret,
        "regret_bound": agreement.regret_bound,
    }


def _correlation(value: float, interval: Interval) -> dict[str, Any]:
    numbers = {"value": value, "low": interval.low, "high": interval.high, "level": interval.level}
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def _on_ceiling(ceiling: Agreement) -> list[str]:
    """Returns what a reader must know before any form is trusted, or blamed: whether there was an order to find."""
    if ceiling.kendall_interval.low > 0:
        return []
    note = (
        "not even two trainings in full, of two seeds, are sure to agree on an order of these configurations: "
        "what tells them apart may be luck, so correlations say little for a form or against it; see the regret"
    )
    return [note]


def _notes(design: Design, records: Sequence[TrialRecord]) -> list[str]:
    """Returns what a reader must know of the figures."""
    config, notes = design.loaded.config, []
    if len(design.configurations) < ENOUGH:
        notes.append(
            f"{len(design.configurations)} configurations are too few to rely on the bounds; take {ENOUGH} or more"
        )
    if cast("Any", config.stages[0].pruner).kind != "none":
        notes.append("nothing was pruned here; the study's pruner would also stop trainings of the short form")
    patience = config.training.early_stopping.patience
    if patience is not None:
        stopped = [each for each in records if each.result and each.result.end is EndReason.EARLY_STOPPED]
        notes.append(
            f"early stopping (patience {patience}) ended {count(len(stopped))} of {count(len(records))} trainings, and "
            "costs are measured with it; a form of no more epochs than the patience is never stopped"
        )
    if failed := sum(not _is_complete(each) for each in records):
        notes.append(f"{failed} of {len(records)} trainings failed; each counts as much as the worst of its form")
    if design.is_nested and design.epochs:
        notes.append(
            "forms of fewer epochs are the beginnings of longer trainings, as the schedule does not depend on them"
        )
    notes.append("all were scored on the same valid rows: what these rows have of their own is in each form alike")
    return notes
