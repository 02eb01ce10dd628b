"""Trials that go on from what frozen layers made of the texts, against those that compute it again and again."""

import logging
from functools import partial

import numpy as np
import pytest
import torch

from textune import states
from textune.config.load import load_study
from textune.data import Cache, eval_batches
from textune.errors import InterruptedTrial
from textune.models import TransformerConfig
from textune.pipeline import Pipeline
from textune.records import EndReason, TrialSpec
from textune.seeds import derive
from textune.trial import prepare_data, run

FAMILIES = ["bert", "distilbert", "electra", "roberta"]
"""ELECTRA's forward pass is that of the library."""


@pytest.fixture
def frozen_study(tiny_study, checkpoints):
    def settings(family="bert", *more):
        encoder = f"model.encoder={{kind: transformer, model: {checkpoints[family]}, num_frozen_layers: 1}}"
        return load_study(
            tiny_study, [encoder, "tokenizer={kind: pretrained, max_length: 12}", "training.epochs=2", *more]
        )

    return settings


@pytest.fixture
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


def result_of(loaded, cache, folder=None):
    spec = TrialSpec(
        number=0,
        config=loaded.resolver.resolve({}).config,
        objective=loaded.config.objective,
        seed=derive(1, "trial"),
        folder=None if folder is None else str(folder),
    )
    trial = run(spec, loaded.folders, cache)
    while True:
        try:
            next(trial)
        except StopIteration as end:
            return end.value


def tables(cache):
    return sorted(path.name for path in cache.root.glob("states-*"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_training_from_states_is_training_of_the_whole_model(frozen_study, family, pooling, cache, monkeypatch):
    loaded = frozen_study(family, f"model.pooling={pooling}", "training.precision=fp32")
    from_states = result_of(loaded, cache)
    assert len(tables(cache)) == 1
    monkeypatch.setattr(states, "MOST_SHARE", 0)
    cache.clear()
    whole = result_of(loaded, cache)
    assert tables(cache) == []
    assert from_states.metrics == pytest.approx(whole.metrics, rel=1e-4)


def test_what_is_saved_is_the_whole_model_and_predicts_what_was_measured(frozen_study, cache, tmp_path):
    loaded = frozen_study("bert", "training.precision=bf16")
    result_of(loaded, cache, tmp_path)
    assert len(tables(cache)) == 1
    pipeline = Pipeline.load(tmp_path / "model")
    with np.load(tmp_path / "outcomes.npz", allow_pickle=False) as outcomes:
        texts = prepare_data(loaded.config, loaded.folders, cache).rows.texts
        probabilities = pipeline.predict([texts[row] for row in outcomes["rows"]])
        assert probabilities == pytest.approx(outcomes["probabilities"], abs=0.01)


def test_trials_that_differ_above_the_frozen_layers_share_a_table(frozen_study, cache):
    result_of(frozen_study(), cache)
    result_of(frozen_study("bert", "training.batch_size=7", "model.pooling=max", "model.encoder.dropout=0.3"), cache)
    assert len(tables(cache)) == 1


@pytest.mark.parametrize(
    "other",
    [
        ["model.encoder.num_frozen_layers=2"],
        ["tokenizer.max_length=7"],
        ["tokenizer.keep=end"],
        ["training.precision=fp32"],
        ["data.rows=200"],
    ],
)
def test_what_changes_the_states_has_a_table_of_its_own(frozen_study, cache, other):
    result_of(frozen_study("bert", "training.precision=bf16", "tokenizer.max_length=8"), cache)
    result_of(frozen_study("bert", "training.precision=bf16", "tokenizer.max_length=8", *other), cache)
    assert len(tables(cache)) == 2


def test_folds_share_a_table(frozen_study, cache):
    result_of(frozen_study("bert", "split={kind: kfold, folds: 3}", "training.epochs=1"), cache)
    assert len(tables(cache)) == 1


def test_computing_a_table_can_be_stopped_between_batches_and_leaves_nothing(frozen_study, cache, monkeypatch):
    in_small_batches = partial(eval_batches, tokens_per_batch=24)
    monkeypatch.setattr(states, "eval_batches", lambda *rows, **_size: in_small_batches(*rows))
    loaded = frozen_study()
    spec = TrialSpec(
        number=0, config=loaded.resolver.resolve({}).config, objective=loaded.config.objective, seed=derive(1, "trial")
    )
    trial = run(spec, loaded.folders, cache)
    assert [next(trial) for _ in range(3)] == [None] * 3
    assert tables(cache) == []
    with pytest.raises(InterruptedTrial):
        trial.throw(InterruptedTrial())
    assert not [path for path in cache.root.iterdir() if "states-" in path.name and path.suffix != ".lock"]
    assert result_of(loaded, cache).end is EndReason.FINISHED
    assert len(tables(cache)) == 1


def test_a_table_too_large_for_the_cache_is_told(frozen_study, tmp_path, caplog):
    small = Cache(tmp_path, max_bytes=2**10)
    with caplog.at_level(logging.WARNING, "textune"):
        result_of(frozen_study(), small)
    (record,) = caplog.records
    assert "TEXTUNE_CACHE_BYTES" in record.getMessage()
    assert tables(small) == []


@pytest.mark.parametrize(("num_frozen_layers", "has_key"), [(0, False), (1, True), (2, True)])
def test_only_frozen_layers_have_a_key(checkpoints, num_frozen_layers, has_key):
    config = TransformerConfig(model=str(checkpoints["bert"]), num_frozen_layers=num_frozen_layers)
    key, again = (config.build(None).frozen_key() for _ in range(2))
    assert (key is not None) is has_key
    assert key == again


def test_the_key_is_that_of_the_weights(checkpoints):
    config = TransformerConfig(model=str(checkpoints["bert"]), num_frozen_layers=1)
    one, other, above = (config.build(None) for _ in range(3))
    with torch.no_grad():
        other.module.encoder.layer[0].output.dense.bias[0] += 1e-3
        above.module.encoder.layer[1].output.dense.bias[0] += 1
    assert one.frozen_key() == above.frozen_key() != other.frozen_key()


def test_devices_have_tables_of_their_own(frozen_study, cache, monkeypatch):
    """Else numbers would depend on which of them filled the cache."""
    result_of(frozen_study(), cache)
    ours = tables(cache)
    monkeypatch.setattr("textune.training.engine.predict.device_of", lambda _: torch.device("meta"))
    result_of(frozen_study(), cache)
    assert len(tables(cache)) == 2 * len(ours) > 0
