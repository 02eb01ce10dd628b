"""The objective: one trial, from its spec to its result. Joins data, models and training; knows no search.

A trial reads the prepared data from the cache, trains each of its folds, and leaves in its attempt folder
`outcomes.npz` (row id, label and probabilities of every valid row at the best epoch) and `model/` (the pipeline).
"""

# N rows, K classes

from __future__ import annotations

import statistics
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from textune.config.load import plugin_paths
from textune.config.study import TrialConfig
from textune.data import (
    Batch,
    Cache,
    FilesConfig,
    Prepared,
    cut_examples,
    eval_batches,
    load_vectors,
    locate,
    num_batches,
    prepare,
    train_batches,
)
from textune.pipeline import Pipeline, PipelineConfig
from textune.records import EndReason, Progress, TrialRecord, TrialResult, TrialSpec
from textune.registry import load_plugin
from textune.seeds import derive, generator

if TYPE_CHECKING:
    from textune.training.measurement import FitResult

__all__ = ["TrialRunner", "prepare_data", "run", "train_on_all"]


@dataclass(frozen=True)
class TrialRunner:
    """The objective as executors take it: a picklable callable from a spec to a generator of Progress.

    Attributes:
        folders: where relative paths of the study are tried.
        cache_root: where prepared data lies.
        plugins: whether plug-in files named by a config may run.
        preload: modules that workers import before the first trial, while the coordinator still reads data.
    """

    folders: tuple[Path, ...]
    cache_root: Path
    plugins: bool = False

    preload: ClassVar = (
        "torch._dynamo",  # imported by the first optimizer, a second later
        "safetensors.torch",
        "tokenizers",
        "textune.models.nets.assemble",
        "textune.models.nets.bag_of_words",
        "textune.models.nets.cnn",
        "textune.models.nets.embedding",
        "textune.models.nets.head",
        "textune.models.nets.pooling",
        "textune.models.nets.rnn",
        "textune.training.engine.loop",
        "textune.trial",
    )

    def __call__(self, spec: TrialSpec) -> Generator[Progress, None, TrialResult]:
        if self.plugins:
            for path in plugin_paths(spec.config.get("plugins", ()), self.folders):
                load_plugin(path)
        return run(spec, self.folders, Cache(self.cache_root))


def prepare_data(config: TrialConfig, folders: Sequence[Path], cache: Cache) -> Prepared:
    """Returns the study's rows as token ids, from the cache where they are."""
    data, split, tokenizer = cast("Any", (config.data, config.split, config.tokenizer))  # typed by role at run time
    return prepare(data, split, tokenizer, config.seed, folders, cache, _vector_file(config, folders))


def _vector_file(config: TrialConfig, folders: Sequence[Path]) -> Path | None:
    name = config.model.embedding.vector_file  # type: ignore[attr-defined]
    return None if name is None else Path(locate(name, folders))


def run(spec: TrialSpec, folders: Sequence[Path], cache: Cache) -> Generator[Progress, None, TrialResult]:
    """Trains the folds of a trial in turn.

    Yields:
        A Progress at the end of each epoch of each fold.

    Returns:
        The result; metrics are means over the folds, each at its best epoch.

    Raises:
        DivergedError: a loss was not finite.
    """
    started = time.perf_counter()
    config = TrialConfig.model_validate(spec.config)
    prepared = prepare_data(config, folders, cache)
    numbers = range(len(prepared.splits.folds)) if spec.folds is None else spec.folds
    trainings = []
    for number in numbers:
        fold = prepared.splits.folds[number]
        training = _Training(spec, config, prepared, fold.train, number, folders, cache)
        yield from training.run(number, fold.valid)
        trainings.append(training)
    result = _result(spec, trainings, time.perf_counter() - started)
    if spec.folder is not None:
        folder = Path(spec.folder)
        folder.mkdir(parents=True, exist_ok=True)
        _save_outcomes(folder / "outcomes.npz", list(numbers), trainings)
        if len(trainings) == 1:
            trainings[0].pipeline(trainings[0].fit.precision, result.metrics).save(folder / "model")
    return result


def train_on_all(chosen: TrialRecord, folders: Sequence[Path], cache: Cache) -> Pipeline:
    """Trains a chosen trial's config once more on the rows of all folds, for its (median) best number of epochs."""
    config = TrialConfig.model_validate(chosen.spec.config)
    prepared = prepare_data(config, folders, cache)
    rows = np.unique(np.concatenate([part for fold in prepared.splits.folds for part in (fold.train, fold.valid)]))
    training = _Training(chosen.spec, config, prepared, rows, "all", folders, cache)
    assert chosen.result is not None
    precision = training.run_blindly(chosen.result.best_epoch or config.training.epochs)
    return training.pipeline(precision, chosen.result.metrics)


class _Training:
    """One model, trained on some rows of the data set: those of a fold, or all that are not test rows."""

    fit: FitResult

    def __init__(
        self,
        spec: TrialSpec,
        config: TrialConfig,
        prepared: Prepared,
        rows: NDArray[np.int64],
        part: int | str,
        folders: Sequence[Path],
        cache: Cache,
    ) -> None:
        from textune.models.nets.assemble import build_classifier

        self.spec, self.config, self.prepared, self.rows = spec, config, prepared, rows
        self.vocabulary, self.examples = prepared.encode(rows)
        tokens, file = self.vocabulary.tokens, _vector_file(config, folders)
        size: int = config.model.embedding.size  # type: ignore[attr-defined]
        vectors = None if file is None else load_vectors(file, tokens, size, cache)
        self.vector_coverage = None if vectors is None else vectors.coverage
        self.model = build_classifier(
            config.model, tokens, vectors, len(prepared.classes), derive(spec.seed, "init", part)
        )
        tokenizer = cast("Any", config.tokenizer)
        self.max_length, self.keep = tokenizer.max_length, tokenizer.keep
        self.model.encoder.adapt(*cut_examples(self.examples, rows, self.max_length, self.keep))
        self.order, self.dropout = derive(spec.seed, "order", part), derive(spec.seed, "dropout", part)

    def run(self, fold: int, valid: NDArray[np.int64]) -> Generator[Progress, None, None]:
        """Trains, yields after each epoch, and leaves the weights of the best epoch in the model."""
        from textune.training.engine.loop import fit

        measurements = fit(
            self.model,
            self._epoch,
            eval_batches(self.examples, self.prepared.labels_N, valid, self.max_length, self.keep),
            self.config.training,
            class_counts_K=self._class_counts(),
            steps_per_epoch=num_batches(len(self.rows), self.config.training.batch_size),
            objective=self.spec.objective,
            seed=self.dropout,
        )
        while True:
            try:
                measured = next(measurements)
            except StopIteration as end:
                self.fit = end.value
                return
            yield Progress(
                trial=self.spec.number,
                attempt=self.spec.attempt,
                fold=fold,
                epoch=measured.epoch,
                epochs=measured.epochs,
                value=measured.value,
                metrics=dict(measured.metrics),
                learning_rate=measured.learning_rate,
                seconds=measured.seconds,
            )

    def run_blindly(self, num_epochs: int) -> str:
        """Trains for a number of epochs without valid rows; returns the precision."""
        from textune.training.engine.loop import fit_blindly

        return fit_blindly(
            self.model,
            self._epoch,
            self.config.training,
            num_epochs=num_epochs,
            class_counts_K=self._class_counts(),
            steps_per_epoch=num_batches(len(self.rows), self.config.training.batch_size),
            seed=self.dropout,
        )

    def pipeline(self, precision: str, metrics: Mapping[str, float]) -> Pipeline:
        """Returns what predicts with the weights as they are."""
        study = {"name": self.config.name, "trial": self.spec.number, "params": self.spec.params, "metrics": metrics}
        return Pipeline(
            PipelineConfig(
                classes=self.prepared.classes,
                max_length=self.max_length,
                keep=self.keep,
                precision=precision,
                text=self.config.data.text if isinstance(self.config.data, FilesConfig) else "text",
                model=self.config.model,
                study=study,
            ),
            self.model.eval(),
            cast("Any", self.config.tokenizer).build().with_vocabulary(self.vocabulary),
        )

    def _epoch(self, epoch: int) -> Iterator[Batch]:
        training = self.config.training
        return train_batches(
            self.examples,
            self.prepared.labels_N,
            self.rows,
            training.batch_size,
            self.max_length,
            self.keep,
            generator(self.order, epoch),
            length_buckets=training.length_buckets,
        )

    def _class_counts(self) -> NDArray[np.int64]:
        return np.bincount(self.prepared.labels_N[self.rows], minlength=len(self.prepared.classes))


def _result(spec: TrialSpec, trainings: Sequence[_Training], seconds: float) -> TrialResult:
    fits = [training.fit for training in trainings]
    metrics = {name: statistics.fmean(fit.metrics[name] for fit in fits) for name in fits[0].metrics}
    epochs = sum(fit.epochs for fit in fits)
    stopped_early = any(fit.stopped_early for fit in fits)
    end = EndReason.EARLY_STOPPED if stopped_early else EndReason.FINISHED
    return TrialResult(
        trial=spec.number,
        attempt=spec.attempt,
        end=end,
        reason=f"{end.value}: {end.sentence}",
        value=metrics[spec.objective.metric],
        metrics=metrics,
        best_epoch=round(statistics.median(fit.best_epoch for fit in fits)),
        epochs=epochs,
        seconds=seconds,
        seconds_per_epoch=sum(fit.seconds for fit in fits) / epochs,
        folder=spec.folder,
        details={
            "num_parameters": trainings[0].model.num_parameters,
            "precision": fits[0].precision,
            "examples_per_second": statistics.fmean(fit.examples_per_second for fit in fits),
            "peak_memory_bytes": fits[-1].peak_memory_bytes,
            "vocabulary_size": len(trainings[0].vocabulary),
            "vector_coverage": trainings[0].vector_coverage,
        },
    )


def _save_outcomes(path: Path, folds: Sequence[int], trainings: Sequence[_Training]) -> None:
    valid = [training.fit.valid for training in trainings]
    np.savez(
        path,
        rows=np.concatenate([each.rows_N for each in valid]),
        labels=np.concatenate([each.labels_N for each in valid]),
        probabilities=np.concatenate([each.probabilities_NK for each in valid]),
        folds=np.repeat(folds, [len(each.rows_N) for each in valid]),
    )
