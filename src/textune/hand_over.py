"""What a study leaves: models kept while it searches, the chosen one handed over, the test rows read with it."""

# N rows, K classes

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from textune.config.load import LoadedStudy
from textune.config.study import METRICS
from textune.data import Cache, Prepared
from textune.devices import compute_on
from textune.facts import Facts
from textune.pipeline import SETTINGS, Pipeline
from textune.readings import count_reading
from textune.records import Fidelity, Objective, StudyRecord, TrialRecord, TrialResult, TrialState
from textune.run_folder import RunFolder
from textune.stats.intervals import Interval, bootstrap, wilson
from textune.storage import (
    folder_written_atomically,
    written_atomically,
)
from textune.study import ASKED_TO_STOP, StopSignals
from textune.surroundings import limited_threads
from textune.temporary import remove_folder
from textune.tracking.base import Event, Tracker
from textune.tracking.log import EventLog
from textune.training.metrics import confusion_matrix, evaluate
from textune.trial import run, train_on_all

__all__ = ["ModelKeeper", "hand_over"]

Say = Callable[[str], None]
AGAIN = "again: its weights are not there any more"


class ModelKeeper(Tracker):
    """Keeps on disk the weights that the study says: those of the best trials so far, of all trials, or none.

    Args:
        folder: of the study.
        objective: what best means.
        keep: `best`, `all` or `none`.
        num_best: of how many trials; more than one where a confirmation chooses between them.
    """

    def __init__(self, folder: RunFolder, objective: Objective, keep: str, num_best: int = 1) -> None:
        self._folder, self._keep, self._num_best = folder, keep, num_best
        self._sign = -1 if objective.direction == "maximize" else 1
        self._best: list[TrialResult] = []

    def record(self, event: Event) -> None:
        if not isinstance(event, TrialResult) or self._keep == "all":
            return
        dropped: TrialResult | None = event
        if event.state is TrialState.COMPLETE and event.value is not None and math.isfinite(event.value):
            self._best = sorted([*self._best, event], key=self._rank)
            dropped = self._best.pop() if len(self._best) > self._num_best else None
        if dropped is not None:
            self._folder.drop_model(dropped.trial, dropped.attempt)

    def _rank(self, result: TrialResult) -> tuple[float, int]:
        return self._sign * (result.value or 0.0), result.trial


def hand_over(
    record: StudyRecord,
    loaded: LoadedStudy,
    prepared: Prepared,
    facts: Facts,
    folder: RunFolder,
    cache: Cache,
    log: EventLog,
    say: Say,
    stop: StopSignals,
) -> StudyRecord:
    """Puts the chosen pipeline into `best/`, reads the test rows with it if the study is done, and returns the record.

    Where trials trained several folds, the chosen config is trained once more, on all rows but the test rows. Models
    that were not chosen are removed last, so a study that ends before can go on. One that is asked to stop meanwhile is
    interrupted.
    """
    if stop.requested and record.state == "done":
        record = _interrupted(record)
    chosen, execution = record.chosen, cast("Any", loaded.config.execution)  # typed by role at run time
    if chosen is None:
        return record
    source, keep = folder.model_of(chosen, record), execution.keep_models
    is_there = (source / SETTINGS).is_file()
    if record.state == "interrupted":  # whoever stopped it does not want to wait for one more training
        if is_there:
            _place(source, folder.best, keep)
        return record
    compute_on("cuda:0" if execution.gpus() else "cpu")
    import torch  # noqa: F401 - before its threads are limited, so that it knows how many it had

    try:
        with limited_threads(execution.threads_per_trial):  # as in a trial: the same numbers, and no slower
            if not is_there:
                _train_again(chosen, record.in_full(chosen), loaded, prepared, cache, source, say, stop)
            stop.check()
            pipeline = Pipeline.load(source)
            _place(source, folder.best, keep)
            if record.state == "done" and len(prepared.splits.test):
                test = _read_test(pipeline, prepared, facts, record.objective, folder, stop)
                log.read_test(test)
                record = record.model_copy(update={"test": test})
        if record.state == "done" and keep != "all":
            _drop_models(record, folder)
    except KeyboardInterrupt:
        return _interrupted(record)
    return record


def _interrupted(record: StudyRecord) -> StudyRecord:
    return record.model_copy(update={"state": "interrupted", "reason": ASKED_TO_STOP})


def _place(source: Path, best: Path, keep: str) -> None:
    """Puts the chosen model into `best/`, unless none is kept."""
    if keep == "all":
        with folder_written_atomically(best) as folder:
            shutil.copytree(source, folder, dirs_exist_ok=True)
    elif keep == "best":
        remove_folder(best)
        source.rename(best)


def _drop_models(record: StudyRecord, folder: RunFolder) -> None:
    """Removes those that have had their use."""
    for place, trials in ((folder, record.trials), (folder.confirmation, record.repeats)):
        for each in trials:
            place.drop_model(each.spec.number, each.spec.attempt)


def _train_again(
    chosen: TrialRecord,
    in_full: TrialRecord | None,
    loaded: LoadedStudy,
    prepared: Prepared,
    cache: Cache,
    target: Path,
    say: Say,
    stop: StopSignals,
) -> None:
    """Trains the chosen config where no trial left its model: after several folds, or where the weights are gone.

    Args:
        chosen: trial of the search.
        in_full: its training in full, where the search was in short form; None: there is none.
        loaded: the study.
        prepared: its data.
        cache: where prepared data lies.
        target: where the model belongs.
        say: tells a person.
        stop: asks to stop.
    """
    number, is_short = chosen.spec.number, chosen.spec.fidelity != Fidelity()
    spec = chosen.spec.model_copy(update={"folder": str(target.parent), "fidelity": Fidelity()})
    if len(prepared.splits.folds) == 1:
        say(f"training the chosen config (trial {number}) {'in full' if is_short else AGAIN}")
        stop.run(run(spec, loaded.folders, cache))
        return
    if is_short:  # how many epochs are best is not known from less
        if in_full is None:
            say(f"training the chosen config (trial {number}) in full, to know for how many epochs")
        result = stop.run(run(spec, loaded.folders, cache)) if in_full is None else in_full.result
        chosen = chosen.model_copy(update={"result": result})
    where = "all rows but the test rows" if prepared.splits.newest_train is None else "the newest train window"
    say(f"training the chosen config (trial {number}) once more, on {where}")
    pipeline = stop.run(train_on_all(chosen, loaded.folders, cache))
    with folder_written_atomically(target) as model:
        pipeline.save(model)


def _read_test(
    pipeline: Pipeline, prepared: Prepared, facts: Facts, objective: Objective, folder: RunFolder, stop: StopSignals
) -> dict[str, Any]:
    """Predicts the test rows, once, and returns what the record keeps of it."""
    rows = prepared.splits.test
    probabilities_NK = pipeline.predict([prepared.rows.texts[row] for row in rows.tolist()], stop.check)
    labels_N, num_classes = prepared.labels_N[rows], len(prepared.classes)
    path, rows_N = folder.path / "test-outcomes.npz", prepared.rows.in_source(rows)
    with written_atomically(path) as file:
        np.savez(file, rows=rows_N, positions=rows, labels=labels_N, probabilities=probabilities_NK)
    name = objective.metric.removeprefix("valid.")
    metrics = evaluate(labels_N, probabilities_NK, METRICS)
    return {
        "metrics": {f"test.{metric}": value for metric, value in metrics.items()},
        "confusion": confusion_matrix(labels_N, probabilities_NK.argmax(1), num_classes).tolist(),
        "classes": list(prepared.classes),
        "num_rows": len(rows),
        "interval": {"metric": f"test.{name}", **_interval(name, labels_N, probabilities_NK).dump()},
        "baselines": facts.test_scores(prepared),
        "readings": count_reading(_fingerprint(prepared), folder.path, _digest(probabilities_NK.tobytes())[:16]),
    }


def _interval(name: str, labels_N: NDArray[np.int64], probabilities_NK: NDArray[np.float32]) -> Interval:
    if name == "accuracy":
        return wilson(int((probabilities_NK.argmax(1) == labels_N).sum()), len(labels_N))
    return bootstrap(lambda labels, each: evaluate(labels, each, [name])[name], labels_N, probabilities_NK)


def _fingerprint(prepared: Prepared) -> str:
    """Returns what identifies a test set: the data, and which of its rows test."""
    rows = prepared.splits.test.astype(np.int64).tobytes()
    return _digest(prepared.fingerprint.encode() + rows)[:40]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
