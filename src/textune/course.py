"""The course of a study: its searches, then the confirmation, with one executor, one log and one run folder."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from textune.config.load import LoadedStudy, StageSpace
from textune.confirmation import confirm
from textune.data import Cache, Prepared, folds_of, refuse_untrained
from textune.execution.base import Executor
from textune.hand_over import ModelKeeper
from textune.records import StudyRecord, StudyStart, TrialRecord, TrialSpec, TrialState
from textune.report.ablation import ablations
from textune.reuse import EarlierStages, SharedResults
from textune.run_folder import RunFolder
from textune.search.one_at_a_time import OneAtATimeConfig, OneAtATimeSampler
from textune.study import Phase, Search, StopSignals, close, search
from textune.tracking.confirmation import ConfirmationTable
from textune.tracking.console import Console
from textune.tracking.log import SEARCH, EventLog, Past

__all__ = ["Course", "check_rows"]


def check_rows(loaded: LoadedStudy, prepared: Prepared) -> None:
    """Raises DataError if no trial could learn: no label that is scored is trained, or too few rows are left to train.

    Few may be left by the short form, or by what is set aside.
    """
    refuse_untrained(prepared.rows, prepared.splits)
    spec = TrialSpec(number=0, fidelity=loaded.config.short.fidelity, aside=_sets_aside(loaded))
    folds_of(spec, prepared.rows, prepared.splits, loaded.config.seed)


class Course:
    """Runs the phases of a study.

    Args:
        loaded: the study.
        prepared: its data.
        cache: where results of other studies lie.
        executor: where trials run.
        folder: where everything goes.
        header: what `study.json` holds.
        log: of the folder.
        past: what earlier sessions left in it.
        console: what a person sees.
        stop: how a person stops it.
    """

    def __init__(
        self,
        loaded: LoadedStudy,
        prepared: Prepared,
        cache: Cache,
        executor: Executor,
        folder: RunFolder,
        header: Mapping[str, Any],
        log: EventLog,
        past: Past | None,
        console: Console,
        stop: StopSignals,
    ) -> None:
        self._loaded, self._prepared, self._executor = loaded, prepared, executor
        self._folder, self._header, self._log, self._past = folder, dict(header), log, past
        self._console, self._stop = console, stop
        shared = any(stage.config.reuse_results == "shared" for stage in loaded.stages)
        self._known = SharedResults(loaded, prepared, cache) if shared else None
        config, objective = loaded.config, loaded.config.objective
        self._execution = cast("Any", config.execution)  # typed by role at run time
        keep = config.confirm.top if config.confirm is not None else 1
        self._trackers = [
            *(cast("Any", tracker).build(folder.path) for tracker in config.tracking),
            ModelKeeper(folder, objective, self._execution.keep_models, keep),
            console,
        ]
        self._opening: Search | None = None
        self._candidates: list[int] | None = None

    def run(self) -> StudyRecord:
        """Searches stage by stage, confirms, and returns what happened; `end` is still to come."""
        record = self._searched()
        confirms = self._loaded.config.confirm is not None and record.state == "done" and record.best is not None
        return self._confirmed(record) if confirms and self._loaded.paths else record

    def end(self, record: StudyRecord) -> None:
        """Tells log and trackers that nothing follows."""
        assert self._opening is not None
        close(self._opening, record)

    def _searched(self) -> StudyRecord:
        """Returns the trials of all stages; the best of one is the base of the next."""
        chosen: list[Mapping[str, Any]] = []
        record: StudyRecord | None = None
        for number in range(len(self._loaded.stages)):
            self._candidates = None  # what an earlier stage combined is not all there is to decide between
            stage = self._loaded.stage(number, *chosen)
            phase = self._search(number, stage, dict(ChainMap(*reversed(chosen))), record)
            self._opening = self._opening or phase
            ran = search(phase)
            record = ran if record is None else _joined(record, ran)
            if ran.state != "done" or ran.best is None:
                return record
            if isinstance(stage.config.sampler, OneAtATimeConfig) and stage.config.sampler.combine:
                record = self._combined(phase, stage, record)
                if record.state != "done":
                    return record
            chosen.append(ran.best.spec.params)
        assert record is not None
        return record

    def _combined(self, phase: Search, stage: StageSpace, record: StudyRecord) -> StudyRecord:
        """Tries the changes together that are surely better alone; they, and the best single one, are confirmed."""
        ablation = next(each for each in ablations(record, self._folder.path) if each.stage == phase.stage)
        changes, single = ablation.combination(), ablation.best_change()
        best = [effect.trials for effect in ablation.effects if {effect.path: effect.value} == single]
        self._candidates = [_first_complete(trials) for trials in (ablation.base.trials, *best)]
        if len(changes) < 2:
            return record
        number = len(record.trials)
        ran = search(
            replace(
                phase,
                name=f"{phase.name}-combination",
                opens=False,
                own_limits=(1, None),
                sampler=OneAtATimeSampler([stage.space.changed(changes)], 1),
                base=None,
                stage=len(self._loaded.stages) + phase.stage,
                first=number,
            )
        )
        self._candidates.append(number)
        return _joined(record, ran)

    def _search(
        self, number: int, stage: StageSpace, inherited: Mapping[str, Any], before: StudyRecord | None
    ) -> Search:
        config, settings = self._loaded.config, stage.config
        sampler, pruner = cast("Any", (settings.sampler, settings.pruner))  # typed by role at run time
        max_epochs = min(stage.max_epochs, config.short.epochs or stage.max_epochs)
        has_base = settings.include_base or not stage.space.dimensions

        def resolve(params: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
            point = stage.resolver.resolve(params)
            return point.config, point.key

        return Search(
            **self._common(),
            name=SEARCH if number == 0 else f"{SEARCH}-{number}",
            opens=number == 0,
            closes=False,
            own_limits=(stage.num_trials, settings.timeout_seconds),
            resolve=resolve,
            space=stage.space,
            sampler=sampler.build(stage.space, config.objective, config.seed, number),
            new_pruner=lambda: pruner.build(config.objective, max_epochs),
            base=stage.base_params() if has_base else None,
            stage=number,
            inherited=inherited,
            first=0 if before is None else len(before.trials),
            folder=self._folder,
            fidelity=config.short.fidelity,
            aside=_sets_aside(self._loaded),
            lag=settings.lag if settings.deterministic else None,
            known=EarlierStages(self._known, () if before is None else before.trials),
            trackers=self._trackers,
        )

    def _confirmed(self, record: StudyRecord) -> StudyRecord:
        folder, view = self._folder.confirmation, self._console.rounds()
        phase = Phase(
            **self._common(),
            closes=False,
            folder=folder,
            trackers=[ConfirmationTable(folder.confirmation_table), view],
        )
        return confirm(record, self._loaded, self._prepared, phase, view, self._candidates)

    def _start(self) -> StudyStart:
        config = self._loaded.config
        objective, asked = config.objective, [f"valid.{name}" for name in config.training.metrics]
        trials, timeout_seconds = self._loaded.limits
        return StudyStart(
            name=config.name,
            objective=objective,
            paths=self._loaded.paths,
            metrics=tuple(dict.fromkeys([*asked, objective.metric, "train.loss"])),
            trials=trials,
            timeout_seconds=timeout_seconds,
            header=self._header,
        )

    def _common(self) -> dict[str, Any]:
        return {
            "start": self._start(),
            "executor": self._executor,
            "seed": self._loaded.config.seed,
            "log": self._log,
            "past": self._past,
            "stop": self._stop,
            "max_retries": self._execution.max_retries,
            "trial_timeout_seconds": self._execution.timeout_seconds,
        }


def _first_complete(trials: Sequence[TrialRecord]) -> int:
    """Returns the number by which a configuration is known that was measured several times."""
    complete = (each for each in trials if each.result is not None and each.result.state is TrialState.COMPLETE)
    return next(complete, trials[0]).spec.number


def _joined(record: StudyRecord, ran: StudyRecord) -> StudyRecord:
    trials, seconds = (*record.trials, *ran.trials), record.seconds + ran.seconds
    return ran.model_copy(update={"trials": trials, "seconds": seconds})


def _sets_aside(loaded: LoadedStudy) -> bool:
    return loaded.config.confirm is not None and loaded.config.confirm.rows == "holdout"
