"""Names that would lead elsewhere, or that no file can have."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from textune import api, commands
from textune.config.load import load_study
from textune.config.study import ModelConfig
from textune.data import FilesConfig, PretrainedConfig
from textune.errors import DataError, RunFolderError, StudyError, TextuneError
from textune.models import BagOfWordsConfig, ClsConfig, CnnConfig, RnnConfig, TransformerConfig
from textune.models.nets.assemble import build_classifier
from textune.pipeline import Pipeline, PipelineConfig
from textune.serve.predict import find_pipeline

ELSEWHERE = [
    "../x",
    "/tmp/x",
    "..",
    ".",
    "a/b",
    "a\\b",
    "",
    " ",
    ".hidden",
    "-rf",
    "a\0b",
    "a\nb",
    "\u202ea",
    "é",
    "x" * 101,
]
IMPOSSIBLE = ["x" * 300, "a\0b.csv", "~nobody-of-this-name/x.csv", "/dev/null/x.csv", "\udcff.csv", "x/" * 3_000]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield
    assert {path.name for path in tmp_path.iterdir()} <= {"here", "model"}, "something was written elsewhere"


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_study_name_is_a_plain_word(name):
    with pytest.raises(StudyError, match=r"name: is .*; allowed are letters, digits, '\.', '_' and '-'"):
        load_study({"data": "synthetic", "name": name})


def test_a_study_file_of_an_odd_name_says_how_to_name_the_study(textune):
    Path("my study.yaml").write_text("data: synthetic\n")
    said = textune("run", "my study.yaml")
    assert said.code == 2
    assert said.err.startswith("my study.yaml:1: name: is 'my study'; allowed are letters")
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_data_path_that_no_file_can_have_does_not_exist(name):
    with pytest.raises(DataError, match="there is no file '"):
        FilesConfig(path=name).find([Path.cwd()])


@pytest.mark.parametrize("name", [*IMPOSSIBLE[:2], "/dev/null/x", "../no-such-run"])
def test_a_run_that_cannot_be_is_refused_in_a_sentence(name, textune):
    with pytest.raises((RunFolderError, OSError)):
        commands.load_run(Path(name))
    if "\0" not in name:
        for arguments in (("show", name), ("report", name), ("predict", name, "-"), ("list", name)):
            said = textune(*arguments)
            assert said.code == (0 if arguments[0] == "list" and len(name) < 256 else 2)
            assert said.err
            assert "Traceback" not in said.err


@pytest.mark.parametrize("out", ["x" * 300, "/dev/null/run", "/proc/no/run"])
def test_an_impossible_run_folder_is_refused_in_a_sentence(out, tiny_study, textune):
    Path("study.json").write_text(json.dumps(tiny_study))
    said = textune("run", "study.json", "--out", out)
    assert said.code == 2
    assert len(said.err.strip().splitlines()) <= 2
    assert "Traceback" not in said.err


def test_a_run_folder_is_never_one_with_other_things_in_it(tiny_study):
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("dear")
    with pytest.raises(RunFolderError, match="is no run folder"):
        commands.run(tiny_study, out=Path("mine"), fresh=True, quiet=True)
    assert [path.name for path in Path("mine").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("plugin", ["../x.py", "x" * 300, "a\0.py", "/dev/null", "~/x.py"])
def test_a_plugin_that_is_not_there_is_refused(plugin):
    with pytest.raises(StudyError, match="plug-in"):
        load_study({"plugins": [plugin]}, allow_plugins=True)
    with pytest.raises(StudyError, match="allow it with --allow-plugins"):
        load_study({"plugins": [plugin]})


@pytest.fixture
def model(finished, tmp_path):
    """A copy of a good model."""
    return Path(shutil.copytree(finished.folder.best, tmp_path / "model"))


@pytest.mark.parametrize("name", ["../evil.py", "/tmp/evil.py", "a/b.py", "", ".", ".."])
def test_a_model_runs_no_code_but_that_beside_it(model, name):
    config = json.loads((model / "textune.json").read_text())
    (model / "textune.json").write_text(json.dumps({**config, "plugins": {name: "0" * 64}}))
    with pytest.raises(TextuneError, match=r"names the plug-in '.*', which is no Python file beside it"):
        Pipeline.load(model, allow_plugins=True)


@pytest.mark.parametrize("name", ["textune.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_model_is_told(model, name):
    content = (model / name).read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"\xff" * 100, b"[1]", b"[" * 50_000, b'{"a": 1}'):
        (model / name).write_bytes(damaged)
        with pytest.raises(TextuneError, match=r"damaged|cannot be used") as caught:
            find_pipeline(model)
        assert "\n" not in str(caught.value)
    (model / name).unlink()
    with pytest.raises(TextuneError):
        find_pipeline(model)


ENCODERS = {
    "rnn": (RnnConfig(hidden_size=4), "hidden_size", 9_000),
    "rnn of many layers": (RnnConfig(hidden_size=4), "num_layers", 10**9),
    "cnn": (CnnConfig(num_filters=2), "num_filters", 10**9),
    "bag-of-words": (BagOfWordsConfig(ngram_buckets=8), "ngram_buckets", 2**40),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_a_model_that_claims_to_be_larger_than_its_weights_is_told_before_it_is_built(model, name):
    encoder, setting, claimed = ENCODERS[name]
    whole = Pipeline.load(model)
    config = whole.config.model_copy(update={"model": whole.config.model.model_copy(update={"encoder": encoder})})
    tokens = list(whole.tokenizer.get_vocab())
    Pipeline(config, build_classifier(config.model, tokens, None, 2, seed=0), whole.tokenizer).save(model)
    assert Pipeline.load(model).predict(["a fine film"]).shape == (1, 2)
    settings = json.loads((model / "textune.json").read_text())
    settings["model"]["encoder"][setting] = claimed
    (model / "textune.json").write_text(json.dumps(settings))
    with pytest.raises(TextuneError, match=r"textune\.json describes a larger model than one of [0-9,]+ weights"):
        find_pipeline(model)


def test_a_transformer_that_claims_to_be_larger_than_its_weights_is_told_before_it_is_built(checkpoints, tmp_path):
    encoder = TransformerConfig(model=str(checkpoints["bert"])).located(()).saved()
    config = ModelConfig(encoder=encoder, pooling=ClsConfig())
    tokenizer = PretrainedConfig(model=str(checkpoints["bert"])).build()
    vocabulary = tokenizer.learn((), np.zeros(0), ())
    classifier = build_classifier(config, vocabulary.tokens, None, 2, seed=0)
    Pipeline(PipelineConfig(classes=("a", "b"), model=config), classifier, tokenizer.with_vocabulary(vocabulary)).save(
        tmp_path / "model"
    )
    assert Pipeline.load(tmp_path / "model").predict(["a fine film"]).shape == (1, 2)
    settings = json.loads((tmp_path / "model" / "textune.json").read_text())
    settings["model"]["encoder"]["architecture"]["intermediate_size"] = 9_000_000
    (tmp_path / "model" / "textune.json").write_text(json.dumps(settings))
    with pytest.raises(TextuneError, match=r"textune\.json describes a larger model than one of [0-9,]+ weights"):
        find_pipeline(tmp_path / "model")


def test_classes_named_like_paths_stay_names(model):
    pipeline = Pipeline.load(model)
    config = pipeline.config.model_copy(update={"classes": ("../`x`", "<b>\n# title")})
    Pipeline(config, pipeline.model, pipeline.tokenizer).save(model / "again")
    card = (model / "again" / "README.md").read_text(encoding="utf-8")
    assert r"It tells `../'x'`, `<b>\n# title` from each other." in card


def test_a_run_loaded_by_a_path_may_lie_anywhere(finished):
    relative = os.path.relpath(finished.folder.path)
    assert relative.startswith("..")
    assert api.load(relative).record.name == "tiny"
