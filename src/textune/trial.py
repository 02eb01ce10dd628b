"""The objective: one trial, from its spec to its result. Joins data, models and training; knows no search.

A trial reads the prepared data from the cache, trains each of its folds, and leaves in its attempt folder
`outcomes.npz` (row id, label and probabilities of every valid row at the best epoch) and `model/` (the pipeline);
while it runs, `checkpoint.safetensors`, from which a later attempt goes on.
"""

# N rows, K classes

from __future__ import annotations

import statistics
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from textune.config.load import plugin_paths
from textune.config.study import TrialConfig
from textune.data import (
    Batch,
    Cache,
    FilesConfig,
    HubConfig,
    Prepared,
    content_key,
    cut_examples,
    eval_batches,
    folds_of,
    load_vectors,
    num_batches,
    prepare,
    train_batches,
)
from textune.devices import device
from textune.errors import InterruptedTrial, Problem, StudyError
from textune.micro_batch import MicroBatch
from textune.named_files import located, vector_file
from textune.pipeline import Pipeline, PipelineConfig
from textune.records import EndReason, Fidelity, Progress, TrialRecord, TrialResult, TrialSpec
from textune.registry import load_plugin
from textune.seeds import derive, generator
from textune.states import go_on_from_states
from textune.storage import folder_written_atomically
from textune.training.outcomes import fold_details, save_outcomes

if TYPE_CHECKING:
    from textune.training.engine.checkpoint import Checkpoints
    from textune.training.engine.past import Past
    from textune.training.measurement import EpochMeasurement

__all__ = ["TrialRunner", "prepare_data", "run", "train_on_all"]


@dataclass(frozen=True)
class TrialRunner:
    """The objective as executors take it: a picklable callable from a spec to a generator of Progress.

    Attributes:
        folders: where relative paths of the study are tried.
        cache_root: where prepared data lies.
        plugins: whether plug-in files named by a config may run.
        checkpoint_share: of the time of a trial that writing checkpoints may take.
        memory_bytes: what a worker may take, if that is limited.
        preload: modules that workers import before the first trial, while the coordinator still reads data.
    """

    folders: tuple[Path, ...]
    cache_root: Path
    plugins: bool = False
    checkpoint_share: float = 0.05
    memory_bytes: int | None = None
    preload: tuple[str, ...] = (
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
        "textune.training.engine.past",
        "textune.trial",
    )

    def __call__(self, spec: TrialSpec) -> Generator[Progress | None, None, TrialResult]:
        if self.plugins:
            for path in plugin_paths(spec.config.get("plugins", ()), self.folders):
                load_plugin(path)
        return run(
            spec,
            self.folders,
            Cache(self.cache_root),
            checkpoint_share=self.checkpoint_share,
            memory_bytes=self.memory_bytes,
        )


def prepare_data(config: TrialConfig, folders: Sequence[Path], cache: Cache) -> Prepared:
    """Returns the study's rows as token ids, from the cache where they are."""
    config = located(config, folders)
    data, split, tokenizer = cast("Any", (config.data, config.split, config.tokenizer))  # typed by role at run time
    return prepare(data, split, tokenizer, config.seed, folders, cache, vector_file(config, folders))


def run(
    spec: TrialSpec,
    folders: Sequence[Path],
    cache: Cache,
    *,
    checkpoint_share: float = 0.05,
    memory_bytes: int | None = None,
) -> Generator[Progress | None, None, TrialResult]:
    """Trains the folds of a trial in turn, from where `spec.checkpoint` stands on.

    Yields:
        A Progress at the end of each epoch of each fold, and about ten times a second None. An InterruptedTrial thrown
        in at any of these moments leaves a checkpoint and comes out again.

    Returns:
        The result; metrics are means over the folds, each at its best epoch.

    Raises:
        DivergedError: too many steps in a row were not finite.
        MemoryError: the model does not fit into memory.
    """
    from textune.training.engine.checkpoint import NAME, Checkpoints
    from textune.training.engine.past import Past
    from textune.training.engine.precision import hardware

    config = located(TrialConfig.model_validate(spec.config), folders).in_short(spec.fidelity)
    prepared = prepare_data(config, folders, cache)
    checkpoints = Checkpoints(None if spec.folder is None else Path(spec.folder) / NAME, checkpoint_share)
    part = [
        spec.folds,
        spec.fidelity.model_dump(),
        spec.aside,
        None if spec.repeat is None else spec.repeat.model_dump(),
    ]
    identity = content_key("trial", spec.config, spec.seed, part, spec.objective.metric, prepared.fingerprint)
    checkpoint = None if spec.checkpoint is None else Path(spec.checkpoint)
    past = Past.read(checkpoint, identity, hardware(config.training.precision, device()))
    parts = folds_of(spec, prepared.rows, prepared.splits, config.seed)
    numbers = list(parts)
    for number in numbers[len(past.fits) :]:
        fold = parts[number]
        training = _Training(spec, config, prepared, fold.train, number, folders, cache, memory_bytes)
        yield from training.run(number, fold.valid, past, checkpoints)
    result = _result(
        spec, training, past, fold_details([prepared.splits.name(number) for number in numbers], numbers, past.fits)
    )
    if spec.folder is not None:
        folder, rows = Path(spec.folder), prepared.rows
        folder.mkdir(parents=True, exist_ok=True)
        save_outcomes(folder / "outcomes.npz", numbers, past.fits, rows.in_source(np.arange(len(rows))), rows.dates_N)
        in_full = spec.fidelity == Fidelity() and (spec.repeat is None or spec.repeat.purpose == "full")
        if len(numbers) == 1 and in_full:  # what is handed over is trained in full
            with folder_written_atomically(folder / "model") as model:
                training.pipeline(past.fits[0].precision, result.metrics).save(model)
    return result


def train_on_all(chosen: TrialRecord, folders: Sequence[Path], cache: Cache) -> Generator[None, None, Pipeline]:
    """Trains a chosen trial's config once more, for its (median) best number of epochs, on the rows the split says.

    Yields:
        About ten times a second.

    Returns:
        The pipeline.
    """
    config = located(TrialConfig.model_validate(chosen.spec.config), folders)
    prepared = prepare_data(config, folders, cache)
    training = _Training(
        chosen.spec, config, prepared, prepared.splits.final_train, "all", folders, cache, memory_bytes=None
    )
    assert chosen.result is not None
    precision = yield from training.run_blindly(chosen.result.best_epoch or config.training.epochs)
    return training.pipeline(precision, chosen.result.metrics)


class _Training:
    """One model, trained on some rows of the data set: those of a fold, or all that are not test rows."""

    def __init__(
        self,
        spec: TrialSpec,
        config: TrialConfig,
        prepared: Prepared,
        rows: NDArray[np.int64],
        part: int | str,
        folders: Sequence[Path],
        cache: Cache,
        memory_bytes: int | None,
    ) -> None:
        from textune.models.nets.assemble import build_classifier

        self.spec, self.config, self.prepared, self.rows = spec, config, prepared, rows
        self.vocabulary, self.examples = prepared.encode(rows)
        tokens, file = self.vocabulary.tokens, vector_file(config, folders)
        size: int | None = config.model.embedding.vector_size  # type: ignore[attr-defined]
        vectors = None if file is None else load_vectors(file, tokens, size, cache)
        self.vector_coverage = None if vectors is None else vectors.coverage
        self.model = build_classifier(
            config.model, tokens, vectors, len(prepared.classes), derive(spec.seed, "init", part)
        )
        tokenizer = cast("Any", config.tokenizer)
        self.max_length, self.keep = _readable(tokenizer.max_length, self.model.encoder.most_tokens), tokenizer.keep
        self.model.encoder.adapt(*cut_examples(self.examples, rows, self.max_length, self.keep))
        place = device()
        self.model.to(place)
        self.cache, self.inputs = cache, self.examples
        self.order, self.dropout = derive(spec.seed, "order", part), derive(spec.seed, "dropout", part)
        self.micro_batch = MicroBatch(
            cache if place.type == "cpu" else None,
            self._size(),
            config.training.batch_size,
            spec.halvings,
            memory_bytes,
        )

    def run(
        self, number: int, valid: NDArray[np.int64], past: Past, checkpoints: Checkpoints
    ) -> Generator[Progress | None, None, None]:
        """Trains a fold, from where it was left; leaves the weights of the best epoch in the model."""
        from textune.training.engine.loop import Fit

        yield from self._go_on_from_states(np.union1d(self.rows, valid))
        fit = Fit(
            self.model,
            self._epoch,
            self._scored(valid),
            self.config.training,
            class_counts_K=self._class_counts(),
            steps_per_epoch=num_batches(len(self.rows), self.config.training.batch_size),
            objective=self.spec.objective,
            seed=self.dropout,
            micro_batch=self.micro_batch.first(),
            num_epochs=None if self.spec.repeat is None else self.spec.repeat.num_epochs,
        )
        if past.training is not None:
            fit.load_state(past.training)
        try:
            for moment in fit.moments():
                self.micro_batch.note(fit.micro_batch)
                yield None if moment is None else self._progress(number, moment)
                checkpoints.offer(lambda: past.state(fit.state()))
        except InterruptedTrial:
            checkpoints.write(past.state(fit.state()))
            raise
        past.end_fold(fit.result())

    def run_blindly(self, num_epochs: int) -> Generator[None, None, str]:
        """Trains for a number of epochs without valid rows; returns the precision."""
        from textune.training.engine.loop import fit_blindly

        yield from self._go_on_from_states(np.unique(self.rows))
        training = fit_blindly(
            self.model,
            self._epoch,
            self.config.training,
            num_epochs=num_epochs,
            class_counts_K=self._class_counts(),
            steps_per_epoch=num_batches(len(self.rows), self.config.training.batch_size),
            seed=self.dropout,
            micro_batch=self.micro_batch.first(),
        )
        return (yield from training)

    def _progress(self, fold: int, measured: EpochMeasurement) -> Progress:
        return Progress(
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

    def pipeline(self, precision: str, metrics: Mapping[str, float]) -> Pipeline:
        """Returns what predicts with the weights as they are."""
        self.model.encoder.states_ND = None
        study = {"name": self.config.name, "trial": self.spec.number, "params": self.spec.choices, "metrics": metrics}
        return Pipeline(
            PipelineConfig(
                classes=self.prepared.classes,
                labels=self.prepared.rows.label_type,
                max_length=self.max_length,
                keep=self.keep,
                precision=precision,
                **_as_read(self.config.data),
                model=self.config.model.model_copy(update={"encoder": cast("Any", self.config.model.encoder).saved()}),
                study=study,
            ),
            self.model.eval(),
            cast("Any", self.config.tokenizer).build().with_vocabulary(self.vocabulary),
        )

    def _go_on_from_states(self, rows: NDArray[np.int64]) -> Generator[None, None, None]:
        """Reads what frozen layers make of the rows, if there are any, instead of the rows."""
        from textune.training.engine.precision import resolve

        encoder, precision = self.model.encoder, resolve(self.config.training.precision, self.model, device())
        cut = (rows, self.max_length, self.keep)
        states = yield from go_on_from_states(encoder, self.examples, *cut, precision, self.cache)
        self.inputs = states or self.examples

    def _epoch(self, epoch: int) -> Iterator[Batch]:
        training = self.config.training
        return train_batches(
            self.inputs,
            self.prepared.labels_N,
            self.rows,
            training.batch_size,
            self.max_length,
            self.keep,
            generator(self.order, epoch),
            length_buckets=training.length_buckets,
        )

    def _scored(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        cut, tokens = (self.max_length, self.keep), self.model.encoder.tokens_per_batch
        return eval_batches(self.inputs, self.prepared.labels_N, rows, *cut, tokens_per_batch=tokens)

    def _size(self) -> list[Any]:
        """Returns what the memory of a step depends on, beside the number of rows."""
        training = self.config.training
        numbers = [len(self.vocabulary), len(self.prepared.classes), self.max_length]
        return [self.config.model.dump(), numbers, training.optimizer.kind, training.precision]

    def _class_counts(self) -> NDArray[np.int64]:
        return np.bincount(self.prepared.labels_N[self.rows], minlength=len(self.prepared.classes))


def _readable(max_length: int | None, most_tokens: int | None) -> int | None:
    """Returns how many tokens of a text are read, where the model reads `most_tokens` of it at most.

    Raises:
        StudyError: more are asked for.
    """
    if most_tokens is not None and max_length is not None and max_length > most_tokens:
        message = f"is {max_length}, and the model reads {most_tokens} tokens at most; set it to that, or to null"
        raise StudyError([Problem("", "tokenizer.max_length", message)])
    return most_tokens if max_length is None else max_length


def _as_read(data: object) -> dict[str, Any]:
    """Returns how predictions read files, which is how the study did."""
    if not isinstance(data, FilesConfig | HubConfig):
        return {}
    reading = {"reading": data.reading} if isinstance(data, FilesConfig) else {}
    return {"text": data.text, "separator": data.separator, **reading}


def _result(spec: TrialSpec, training: _Training, past: Past, folds: list[dict[str, Any]]) -> TrialResult:
    fits = past.fits
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
        seconds=past.seconds,
        seconds_per_epoch=sum(fit.seconds for fit in fits) / epochs,
        folder=spec.folder,
        details={
            "num_parameters": training.model.num_parameters,
            "precision": fits[-1].precision,
            "examples_per_second": statistics.fmean(fit.examples_per_second for fit in fits),
            "peak_memory_bytes": fits[-1].peak_memory_bytes,
            "micro_batch_size": (micro_batch_size := min(fit.micro_batch_size for fit in fits)),
            "memory_was_short": micro_batch_size < training.config.training.batch_size,
            "num_skipped_steps": sum(fit.num_skipped_steps for fit in fits),
            "vocabulary_size": len(training.vocabulary),
            "vector_coverage": training.vector_coverage,
            "folds": folds,
        },
    )
