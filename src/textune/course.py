"""The course of a study: its search, then the confirmation, with one executor, one log and one run folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from textune.config.load import LoadedStudy
from textune.confirmation import confirm
from textune.data import Cache, Prepared
from textune.execution.base import Executor
from textune.records import StudyRecord, StudyStart
from textune.reuse import SharedResults
from textune.run_folder import RunFolder
from textune.session import ModelKeeper
from textune.study import Phase, Search, close, search
from textune.tracking.confirmation import ConfirmationTable
from textune.tracking.console import Console
from textune.tracking.log import EventLog, Past

__all__ = ["Course"]


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
    ) -> None:
        self._loaded, self._prepared, self._executor = loaded, prepared, executor
        self._folder, self._header, self._log, self._past = folder, dict(header), log, past
        self._console = console
        shared = loaded.config.stages[0].reuse_results == "shared"
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

    def run(self, trials: int | None) -> StudyRecord:
        """Searches, confirms, and returns what happened; `end` is still to come."""
        self._opening = self._search(trials)
        record = search(self._opening)
        confirms = self._loaded.config.confirm is not None and record.state == "done" and record.best is not None
        if confirms and self._loaded.space.dimensions:
            record = self._confirmed(record)
        return record

    def end(self, record: StudyRecord) -> None:
        """Tells log and trackers that nothing follows."""
        assert self._opening is not None
        close(self._opening, record)

    def _search(self, trials: int | None) -> Search:
        loaded, config, settings = self._loaded, self._loaded.config, self._loaded.config.stages[0]
        sampler, pruner = cast("Any", (settings.sampler, settings.pruner))  # typed by role at run time
        objective = config.objective

        def resolve(params: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
            point = loaded.resolver.resolve(params)
            return point.config, point.key

        return Search(
            **self._common(self._start(trials)),
            closes=False,
            resolve=resolve,
            sampler=sampler.build(loaded.space, objective, config.seed),
            new_pruner=lambda: pruner.build(objective),
            base=loaded.base_params() if settings.include_base or not loaded.space.dimensions else None,
            folder=self._folder,
            fidelity=config.short.fidelity,
            aside=config.confirm is not None and config.confirm.rows == "holdout",
            lag=settings.lag if settings.deterministic else None,
            known=self._known,
            trackers=self._trackers,
        )

    def _confirmed(self, record: StudyRecord) -> StudyRecord:
        folder = self._folder.confirmation
        phase = Phase(
            **self._common(self._start(None)),
            closes=False,
            folder=folder,
            trackers=[ConfirmationTable(folder.confirmation_table), self._console.repeats()],
        )
        return confirm(record, self._loaded, self._prepared, phase, self._console.say)

    def _start(self, trials: int | None) -> StudyStart:
        config = self._loaded.config
        objective, asked = config.objective, [f"valid.{name}" for name in config.training.metrics]
        return StudyStart(
            name=config.name,
            objective=objective,
            paths=self._loaded.paths,
            metrics=tuple(dict.fromkeys([*asked, objective.metric, "train.loss"])),
            trials=trials,
            timeout_seconds=config.stages[0].timeout_seconds,
            header=self._header,
        )

    def _common(self, start: StudyStart) -> dict[str, Any]:
        return {
            "start": start,
            "executor": self._executor,
            "seed": self._loaded.config.seed,
            "log": self._log,
            "past": self._past,
            "max_retries": self._execution.max_retries,
            "trial_timeout_seconds": self._execution.timeout_seconds,
        }
