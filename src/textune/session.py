"""What happens around the search: what is known before it, what is kept during it, what is handed over after it."""

# N rows, K classes

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from textune.config.load import LoadedStudy
from textune.config.study import METRICS
from textune.data import Cache, Prepared, content_key, describe
from textune.devices import compute_on
from textune.execution.attempt import limit_threads
from textune.pipeline import Pipeline
from textune.records import Fidelity, Objective, StudyRecord, TrialRecord, TrialResult, TrialSpec, TrialState
from textune.run_folder import RunFolder
from textune.stats.baselines import fit_tfidf, majority
from textune.stats.intervals import Interval, bootstrap, wilson
from textune.storage import cache_folder, dump_json, redact, write_atomically
from textune.tracking.base import Event, Tracker
from textune.tracking.log import EventLog
from textune.training.metrics import confusion_matrix, evaluate
from textune.trial import located, run, train_on_all
from textune.version import __version__

__all__ = [
    "Facts",
    "ModelKeeper",
    "describe_data",
    "estimate",
    "gather_facts",
    "hand_over",
    "note_cost",
    "study_header",
    "write_study",
]

Say = Callable[[str], None]
AGAIN = "again: its weights are not there any more"
FACTS_FORMAT = 3
"""Counts changes of what is cached."""


@dataclass(frozen=True)
class Facts:
    """What a study's data says before any model: statistics, and how far the simplest methods get.

    The baselines predict test rows too, but those are scored only when the study reads its test split.
    """

    statistics: Mapping[str, Any]
    tfidf_seconds: float
    valid: Mapping[str, NDArray[np.float64]]
    test: Mapping[str, NDArray[np.float64]]

    def fold_scores(self, prepared: Prepared) -> list[dict[str, dict[str, float]]]:
        """Returns `valid.…` metrics by baseline, for each fold."""
        folds = prepared.splits.folds
        ends = np.cumsum([len(fold.valid) for fold in folds])[:-1]
        parts = {name: np.split(probabilities_NK, ends) for name, probabilities_NK in self.valid.items()}
        return [
            _scores("valid", prepared.labels_N[fold.valid], {name: part[number] for name, part in parts.items()})
            for number, fold in enumerate(folds)
        ]

    def valid_scores(self, prepared: Prepared) -> dict[str, dict[str, float]]:
        """Returns `valid.…` metrics by baseline, means over the folds as those of trials are."""
        folds = self.fold_scores(prepared)
        scores = {
            name: {metric: statistics.fmean(fold[name][metric] for fold in folds) for metric in metrics}
            for name, metrics in folds[0].items()
        }
        scores["tfidf"]["seconds"] = self.tfidf_seconds
        return scores

    def test_scores(self, prepared: Prepared) -> dict[str, dict[str, float]]:
        """Returns `test.…` metrics by baseline."""
        return _scores("test", prepared.labels_N[prepared.splits.test], self.test)


def gather_facts(loaded: LoadedStudy, prepared: Prepared, cache: Cache, say: Say) -> Facts:
    """Describes the data and fits the baselines, once per data, split and tokenizer."""
    config = loaded.config

    def build(folder: Path) -> None:
        say(f"describing {len(prepared.rows):,} rows and fitting the baselines (once for this data and split)")
        statistics = describe_data(loaded, prepared)
        import_module("sklearn.linear_model")  # not part of what a baseline costs
        started = time.perf_counter()
        valid, test = _baselines(prepared)
        facts = {"statistics": statistics, "seconds": time.perf_counter() - started}
        (folder / "facts.json").write_text(dump_json(facts), encoding="utf-8")
        for split, predictions in (("valid", valid), ("test", test)):
            for name, probabilities_NK in predictions.items():
                np.save(folder / f"{split}-{name}.npy", probabilities_NK, allow_pickle=False)

    tokenizer = located(config, loaded.folders).tokenizer
    settings = [config.split.dump(), tokenizer.dump(), config.seed]
    folder = cache.folder(content_key("facts", FACTS_FORMAT, prepared.fingerprint, *settings), build)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    rows = prepared.rows  # equal ones may have come from other files
    told = {"skipped": dict(rows.skipped), "changed": dict(rows.changed), "sources": list(rows.sources)}
    for verb, reasons in (("left out", rows.skipped), ("changed", rows.changed)):
        for reason, num_rows in reasons.items():
            say(f"{verb} {num_rows:,} row{'' if num_rows == 1 else 's'}: {reason}")
    predictions = {
        split: {name: np.load(folder / f"{split}-{name}.npy", allow_pickle=False) for name in ("majority", "tfidf")}
        for split in ("valid", "test")
    }
    return Facts({**facts["statistics"], **told}, facts["seconds"], predictions["valid"], predictions["test"])


def describe_data(loaded: LoadedStudy, prepared: Prepared) -> dict[str, Any]:
    """Returns the statistics of a study's data as JSON values."""
    vocabulary, examples = prepared.fold(0)
    max_length: int | None = loaded.config.tokenizer.max_length  # type: ignore[attr-defined]
    statistics = describe(prepared.rows, prepared.splits, examples, vocabulary, max_length=max_length)
    return {**statistics, "classes": list(prepared.classes)}


def _baselines(prepared: Prepared) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns probabilities_NK by baseline of the valid rows, fold after fold, and of the test rows.

    Test rows are predicted as the chosen config does: after several folds from the rows it is trained on in the end.
    """
    splits = prepared.splits
    fitted = [_fitted(prepared, fold.train) for fold in splits.folds]
    valid = [predict(fold.valid) for predict, fold in zip(fitted, splits.folds, strict=True)]
    final = fitted[0] if len(fitted) == 1 else _fitted(prepared, splits.final_train)
    return {name: np.concatenate([each[name] for each in valid]) for name in valid[0]}, final(splits.test)


def _fitted(prepared: Prepared, train: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], dict[str, Any]]:
    texts, labels_N, num_classes = prepared.rows.texts, prepared.labels_N[train], len(prepared.classes)
    tfidf = fit_tfidf([texts[row] for row in train], labels_N, num_classes)
    return lambda rows: {
        "majority": majority(labels_N, len(rows), num_classes),
        "tfidf": tfidf([texts[row] for row in rows]),
    }


def study_header(loaded: LoadedStudy, facts: Facts, prepared: Prepared) -> dict[str, Any]:
    """Returns what `study.json` holds and the report shows: the study resolved, where it ran, what its data is."""
    libraries = ("torch", "numpy", "optuna", "tokenizers", *cast("Any", loaded.config.model.encoder).LIBRARIES)
    return {
        "config": loaded.config.dump(),
        "textune": __version__,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "platform": platform.platform(),
        "commit": _commit(loaded.folders[0]),
        "plugins": dict(loaded.plugins),
        "data": dict(facts.statistics),
        "baselines": facts.valid_scores(prepared),
        "baselines_by_fold": facts.fold_scores(prepared),
    }


def estimate(loaded: LoadedStudy, prepared: Prepared, trials: int | None, slots: int, cache: Cache) -> dict[str, float]:
    """Returns `seconds` and `disk_bytes` of a study as far as an earlier one of the same base point and space tells."""
    cost = cache.note(_cost_key(loaded, prepared))
    if cost is None or trials is None:
        return {}
    return {"seconds": cost["seconds_per_trial"] * trials / min(slots, trials), "disk_bytes": cost["disk_bytes"]}


def note_cost(record: StudyRecord, loaded: LoadedStudy, prepared: Prepared, folder: RunFolder, cache: Cache) -> None:
    """Remembers what the trials of a finished study cost, for `estimate`."""
    seconds = [trial.result.seconds for trial in record.trials if trial.result is not None]
    if record.state == "done" and seconds:
        disk_bytes = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
        cost = {"seconds_per_trial": statistics.fmean(seconds), "disk_bytes": disk_bytes}
        cache.write_note(_cost_key(loaded, prepared), cost)


def _cost_key(loaded: LoadedStudy, prepared: Prepared) -> str:
    parts = [(stage.sampler.kind, stage.pruner.dump()) for stage in loaded.config.stages]
    settings = [*(part for each in parts for part in each), *loaded.paths]
    return content_key("cost", prepared.fingerprint, loaded.resolver.resolve({}).key, *settings)


def write_study(loaded: LoadedStudy, folder: RunFolder, header: Mapping[str, Any]) -> None:
    """Writes the study as given (credentials redacted) and as resolved."""
    write_atomically(folder.study_file, redact(loaded.text))
    write_atomically(folder.resolved_study, redact(json.dumps(header, indent=2, ensure_ascii=False)) + "\n")


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

    def finish(self, study: StudyRecord) -> None:
        """The chosen one was handed over; the others have had their use."""
        if self._keep != "all" and study.state == "done":
            for result in self._best:
                self._folder.drop_model(result.trial, result.attempt)


def hand_over(
    record: StudyRecord,
    loaded: LoadedStudy,
    prepared: Prepared,
    facts: Facts,
    folder: RunFolder,
    cache: Cache,
    log: EventLog,
    say: Say,
) -> StudyRecord:
    """Puts the chosen pipeline into `best/`, reads the test rows with it if the study is done, and returns the record.

    Where trials trained several folds, the chosen config is trained once more, on all rows but the test rows.
    """
    chosen, execution = record.chosen, cast("Any", loaded.config.execution)  # typed by role at run time
    if chosen is None:
        return record
    compute_on("cuda:0" if execution.gpus() else "cpu")
    limit_threads(execution.threads_per_trial)  # as in a trial: the same numbers, and no slower for small models
    source = folder.model_of(chosen, record)
    if not source.exists():
        if record.state == "interrupted":
            return record  # whoever stopped it does not want to wait for one more training
        _train_again(chosen, record.in_full(chosen), loaded, prepared, cache, source, say)
    pipeline = Pipeline.load(source)
    if execution.keep_models == "none":
        shutil.rmtree(source)
    elif execution.keep_models == "all":
        shutil.copytree(source, folder.best)
    else:
        source.rename(folder.best)
    if record.state == "done" and execution.keep_models != "all":  # the others in full have had their use
        for each in record.repeats:
            folder.confirmation.drop_model(each.spec.number, each.spec.attempt)
    if record.state != "done" or not len(prepared.splits.test):
        return record
    test = _read_test(pipeline, prepared, facts, record.objective, folder)
    log.read_test(test)
    return record.model_copy(update={"test": test})


def _train_again(
    chosen: TrialRecord,
    in_full: TrialRecord | None,
    loaded: LoadedStudy,
    prepared: Prepared,
    cache: Cache,
    target: Path,
    say: Say,
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
    """
    number, is_short = chosen.spec.number, chosen.spec.fidelity != Fidelity()
    spec = chosen.spec.model_copy(update={"folder": str(target.parent), "fidelity": Fidelity()})
    if len(prepared.splits.folds) == 1:
        say(f"training the chosen config (trial {number}) {'in full' if is_short else AGAIN}")
        _run(spec, loaded, cache)
        return
    if is_short:  # how many epochs are best is not known from less
        if in_full is None:
            say(f"training the chosen config (trial {number}) in full, to know for how many epochs")
        result = _run(spec, loaded, cache) if in_full is None else in_full.result
        chosen = chosen.model_copy(update={"result": result})
    where = "all rows but the test rows" if prepared.splits.newest_train is None else "the newest train window"
    say(f"training the chosen config (trial {number}) once more, on {where}")
    train_on_all(chosen, loaded.folders, cache).save(target)


def _run(spec: TrialSpec, loaded: LoadedStudy, cache: Cache) -> TrialResult:
    """Runs a trial in this process."""
    training = run(spec, loaded.folders, cache)
    while True:
        try:
            next(training)
        except StopIteration as end:
            return cast("TrialResult", end.value)


def _read_test(
    pipeline: Pipeline, prepared: Prepared, facts: Facts, objective: Objective, folder: RunFolder
) -> dict[str, Any]:
    """Predicts the test rows, once, and returns what the record keeps of it."""
    rows = prepared.splits.test
    probabilities_NK = pipeline.predict([prepared.rows.texts[row] for row in rows.tolist()])
    labels_N, num_classes = prepared.labels_N[rows], len(prepared.classes)
    np.savez(folder.path / "test-outcomes.npz", rows=rows, labels=labels_N, probabilities=probabilities_NK)
    name = objective.metric.removeprefix("valid.")
    metrics = evaluate(labels_N, probabilities_NK, METRICS)
    return {
        "metrics": {f"test.{metric}": value for metric, value in metrics.items()},
        "confusion": confusion_matrix(labels_N, probabilities_NK.argmax(1), num_classes).tolist(),
        "classes": list(prepared.classes),
        "num_rows": len(rows),
        "interval": {"metric": f"test.{name}", **_interval(name, labels_N, probabilities_NK).dump()},
        "baselines": facts.test_scores(prepared),
        "readings": _count_reading(prepared, folder, probabilities_NK),
    }


def _interval(name: str, labels_N: NDArray[np.int64], probabilities_NK: NDArray[np.float32]) -> Interval:
    if name == "accuracy":
        return wilson(int((probabilities_NK.argmax(1) == labels_N).sum()), len(labels_N))
    return bootstrap(lambda labels, each: evaluate(labels, each, [name])[name], labels_N, probabilities_NK)


def _count_reading(prepared: Prepared, folder: RunFolder, probabilities_NK: NDArray[np.float32]) -> int:
    """Counts readings of a test set over all studies of this user; clearing the cache does not forget them.

    What a study that was killed in between reads once more, with the same model, is no other reading.
    """
    rows = prepared.splits.test.astype(np.int64).tobytes()
    fingerprint = hashlib.sha256(prepared.fingerprint.encode() + rows).hexdigest()[:40]
    path = cache_folder() / "test-readings" / f"{fingerprint}.json"
    path.parent.mkdir(exist_ok=True)
    readings: list[dict[str, Any]] = []
    with contextlib.suppress(FileNotFoundError, ValueError):  # a damaged count must not cost a study its end
        readings = json.loads(path.read_bytes())
    this = {"run": str(folder.path.resolve()), "digest": hashlib.sha256(probabilities_NK.tobytes()).hexdigest()[:16]}
    if not readings or this.items() - readings[-1].items():
        readings.append({**this, "time": time.time()})
        write_atomically(path, dump_json(readings))
    return len(readings)


def _scores(
    split: str, labels_N: NDArray[np.int64], predictions: Mapping[str, NDArray[np.float64]]
) -> dict[str, dict[str, float]]:
    if not len(labels_N):
        return {name: {} for name in predictions}
    return {
        name: {f"{split}.{metric}": value for metric, value in evaluate(labels_N, probabilities_NK, METRICS).items()}
        for name, probabilities_NK in predictions.items()
    }


def _commit(folder: Path) -> str | None:
    """Returns the git commit of the study's folder, if it is under version control."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
