"""Pretrained models: found on this machine, fine-tuned by a study, and used without their checkpoint."""

import json
import re
import shutil

import numpy as np
import pytest

from textune import commands
from textune.config.load import load_study
from textune.errors import StudyError, TextuneError
from textune.pipeline import Pipeline
from textune.pretrained import checkpoint_folder


class TestFolder:
    def test_is_the_first_that_has_the_model(self, tmp_path):
        for name in ("study", "data"):
            (tmp_path / name / "bert").mkdir(parents=True)
        folders = (tmp_path / "study", tmp_path / "data")
        (tmp_path / "data" / "bert" / "config.json").write_text("{}")
        assert checkpoint_folder("bert", folders) == tmp_path / "data" / "bert"
        (tmp_path / "study" / "bert" / "config.json").write_text("{}")
        assert checkpoint_folder("bert", folders) == tmp_path / "study" / "bert"
        assert checkpoint_folder(str(tmp_path / "data" / "bert"), folders) == tmp_path / "data" / "bert"

    def test_is_found_in_the_cache_of_the_hub(self, tmp_path, monkeypatch):
        model = tmp_path / "models--org--name"
        (model / "refs").mkdir(parents=True)
        (model / "refs" / "main").write_text("abc")
        (model / "snapshots" / "abc").mkdir(parents=True)
        (model / "snapshots" / "abc" / "config.json").write_text("{}")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        assert checkpoint_folder("org/name", ()) == model / "snapshots" / "abc"

    @pytest.mark.parametrize("name", ["org/none", "no such/na/me", "x" * 300, "\0", "../up"])
    def test_that_is_nowhere_is_a_sentence_with_three_ways_to_get_it(self, tmp_path, monkeypatch, name):
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        with pytest.raises(TextuneError) as error:
            checkpoint_folder(name, (tmp_path,))
        for words in (
            "there is no pretrained model",
            str(tmp_path),
            "hf download",
            "model.encoder.model",
            "HF_HUB_CACHE",
        ):
            assert words in str(error.value)
        assert len(str(error.value).splitlines()) == 1


@pytest.fixture(scope="module")
def study(tiny_study, checkpoints):
    def study(folder=checkpoints["roberta"], **others):
        return {
            **tiny_study,
            "tokenizer": {"kind": "pretrained", "max_length": 20, "keep": "both"},
            "model": {"encoder": {"kind": "transformer", "model": str(folder)}, "pooling": "cls"},
            "training": {"epochs": 2, "optimizer": {"kind": "adamw", "learning_rate": 0.003}},
            "search": {"space": {"model.encoder.num_frozen_layers": [0, 1]}, "sampler": {"kind": "grid"}},
            **others,
        }

    return study


def test_a_search_leaves_a_model_that_needs_no_checkpoint(study, checkpoints, tmp_path, textune):
    model = tmp_path / "model"
    shutil.copytree(checkpoints["roberta"], model)
    finished = commands.run(study(model), out=tmp_path / "run", quiet=True)
    assert finished.exit_code == 0
    assert len(finished.record.trials) == 2
    shutil.rmtree(model)
    best = finished.record.best
    pipeline = Pipeline.load(tmp_path / "run" / "best")
    assert pipeline.config.model.encoder.architecture["model_type"] == "roberta"
    attempt = tmp_path / "run" / "trials" / f"{best.spec.number:04}" / "attempt-1"
    with np.load(attempt / "outcomes.npz", allow_pickle=False) as outcomes:
        rows, measured_NK = outcomes["rows"].tolist(), outcomes["probabilities"]
    texts = load_study(study(model)).config.data.load((), 42).texts
    atol = 1e-6 if pipeline.config.precision == "fp32" else 4e-3
    np.testing.assert_allclose(pipeline.predict([texts[row] for row in rows]), measured_NK, rtol=0, atol=atol)
    said = textune("predict", tmp_path / "run", "-", stdin=b"a good room\nbad food\n")
    assert (said.code, len(said.out.splitlines())) == (0, 3)


def test_a_model_that_is_not_here_is_told_before_anything_runs(study, tmp_path, textune):
    path = tmp_path / "study.json"
    path.write_text(json.dumps(study("org/none")))
    for command in (("check", path), ("run", path, "--out", tmp_path / "run")):
        said = textune(*command)
        assert said.code == 2
        assert "there is no pretrained model 'org/none'" in " ".join(said.err.split())


@pytest.mark.parametrize(
    "others",
    [
        {"tokenizer": {"kind": "words"}},
        {"tokenizer": {"kind": "pretrained", "model": "another"}},
        {"model": {"encoder": {"kind": "rnn"}}},
    ],
    ids=["its own words", "of another model", "of no model"],
)
def test_an_encoder_and_a_tokenizer_that_do_not_fit_are_refused(study, others):
    with pytest.raises(StudyError, match=re.escape("needs 'tokenizer: pretrained', of the same model")):
        load_study(study(**others))


def test_a_pretrained_tokenizer_serves_other_encoders_too(study, checkpoints, tmp_path):
    tokenizer = {"kind": "pretrained", "model": str(checkpoints["roberta"])}
    settings = study(tokenizer=tokenizer, model={"embedding": {"size": 4}}, search={"trials": 1})
    assert commands.run(settings, out=tmp_path / "run", quiet=True).exit_code == 0
