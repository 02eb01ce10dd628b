"""The objective: one trial, from its spec to its result. Joins data, models and training; knows no search.

A trial reads the prepared data from the cache, trains each of its folds, and leaves in its attempt folder
`outcomes.npz` (row id, label and probabilities of every valid row at the best epoch) and `model/` (the pipeline).
"""

# N rows, K classes

from __future__ import annotations

import statistics
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from textune.config.load import plugin_paths
from textune.config.study import TrialConfig
from textune.data import (
    Cache,
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
from textune.records import EndReason, Progress, TrialResult, TrialSpec
from textune.registry import load_plugin
from textune.seeds import derive, generator

if TYPE_CHECKING:
    from textune.training.measurement import EpochMeasurement, FitResult

__all__ = ["TrialRunner", "prepare_data"]


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
    folds = []
    for number in numbers:
        fold = _FoldTraining(spec, config, prepared, number, folders, cache)
        yield from fold.run()
        folds.append(fold)
    result = _result(spec, folds, time.perf_counter() - started)
    if spec.folder is not None:
        folder = Path(spec.folder)
        folder.mkdir(parents=True, exist_ok=True)
        _save_outcomes(folder / "outcomes.npz", folds)
        if len(folds) == 1:
            folds[0].pipeline(result).save(folder / "model")
    return result


class _FoldTraining:
    """One model, trained on one fold's train rows and chosen on its valid rows."""

    fit: FitResult

    def __init__(
        self,
        spec: TrialSpec,
        config: TrialConfig,
        prepared: Prepared,
        number: int,
        folders: Sequence[Path],
        cache: Cache,
    ) -> None:
        from textune.models.nets.assemble import build_classifier

        self.spec, self.config, self.prepared, self.number = spec, config, prepared, number
        self.fold = prepared.splits.folds[number]
        self.vocabulary, self.examples = prepared.fold(number)
        tokens, file = self.vocabulary.tokens, _vector_file(config, folders)
        size: int = config.model.embedding.size  # type: ignore[attr-defined]
        vectors = None if file is None else load_vectors(file, tokens, size, cache)
        seed = derive(spec.seed, "init", number)
        self.model = build_classifier(config.model, tokens, vectors, len(prepared.classes), seed)
        self.vector_coverage = None if vectors is None else vectors.coverage

    def run(self) -> Generator[Progress, None, None]:
        from textune.training.engine.loop import fit

        training, (length, keep) = self.config.training, self._cut()
        rows, labels_N = self.fold.train, self.prepared.labels_N
        self.model.encoder.adapt(*cut_examples(self.examples, rows, length, keep))
        order = derive(self.spec.seed, "order", self.number)
        measurements = fit(
            self.model,
            lambda epoch: train_batches(
                self.examples,
                labels_N,
                rows,
                training.batch_size,
                length,
                keep,
                generator(order, epoch),
                length_buckets=training.length_buckets,
            ),
            eval_batches(self.examples, labels_N, self.fold.valid, length, keep),
            training,
            class_counts_K=np.bincount(labels_N[rows], minlength=len(self.prepared.classes)),
            steps_per_epoch=num_batches(len(rows), training.batch_size),
            objective=self.spec.objective,
            seed=derive(self.spec.seed, "dropout", self.number),
        )
        self.fit = yield from self._progress(measurements)

    def _progress(
        self, measurements: Generator[EpochMeasurement, None, FitResult]
    ) -> Generator[Progress, None, FitResult]:
        while True:
            try:
                measured = next(measurements)
            except StopIteration as end:
                result: FitResult = end.value
                return result
            yield Progress(
                trial=self.spec.number,
                attempt=self.spec.attempt,
                fold=self.number,
                epoch=measured.epoch,
                epochs=measured.epochs,
                value=measured.value,
                metrics=dict(measured.metrics),
                learning_rate=measured.learning_rate,
                seconds=measured.seconds,
            )

    def pipeline(self, result: TrialResult) -> Pipeline:
        """Returns what predicts with the weights of the best epoch."""
        length, keep = self._cut()
        return Pipeline(
            PipelineConfig(
                classes=self.prepared.classes,
                max_length=length,
                keep=keep,
                precision=self.fit.precision,
                model=self.config.model,
                study={
                    "name": self.config.name,
                    "trial": self.spec.number,
                    "params": self.spec.params,
                    "metrics": result.metrics,
                },
            ),
            self.model,
            self.config.tokenizer.build().with_vocabulary(self.vocabulary),  # type: ignore[attr-defined]
        )

    def _cut(self) -> tuple[int | None, Any]:
        tokenizer = self.config.tokenizer
        return tokenizer.max_length, tokenizer.keep  # type: ignore[attr-defined]


def _result(spec: TrialSpec, folds: Sequence[_FoldTraining], seconds: float) -> TrialResult:
    fits = [fold.fit for fold in folds]
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
            "num_parameters": folds[0].model.num_parameters,
            "precision": fits[0].precision,
            "examples_per_second": statistics.fmean(fit.examples_per_second for fit in fits),
            "peak_memory_bytes": fits[-1].peak_memory_bytes,
            "vocabulary_size": len(folds[0].vocabulary),
            "vector_coverage": folds[0].vector_coverage,
        },
    )


def _save_outcomes(path: Path, folds: Sequence[_FoldTraining]) -> None:
    valid = [fold.fit.valid for fold in folds]
    np.savez(
        path,
        rows=np.concatenate([each.rows_N for each in valid]),
        labels=np.concatenate([each.labels_N for each in valid]),
        probabilities=np.concatenate([each.probabilities_NK for each in valid]),
        folds=np.repeat([fold.number for fold in folds], [len(each.rows_N) for each in valid]),
    )
