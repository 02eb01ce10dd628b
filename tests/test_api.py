"""Textune from Python."""

import csv
import io
import json
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

import textune
from textune.errors import DataError, RunFolderError, StudyError, TextuneError
from textune.registry import ROLES

DATA = pd.DataFrame({"review": ["a good day", "a bad day"] * 60, "mood": ["pos", "neg"] * 60, "id": range(120)})


@pytest.fixture
def settings(tiny_study):
    """The tiny study for a DataFrame, quick to learn."""
    data = {"kind": "files", "text": "review", "label": "mood"}
    return {**tiny_study, "data": data, "split": {"kind": "holdout"}}


@pytest.fixture(scope="module")
def study(tiny_study, tmp_path_factory):
    settings = {**tiny_study, "data": {"text": "review", "label": "mood"}, "split": "holdout"}
    return textune.run(settings, DATA, out=tmp_path_factory.mktemp("runs") / "frame", quiet=True)


def test_a_frame_is_read_as_it_is_whatever_the_study_says_of_its_files(settings, tmp_path):
    frame = DATA.assign(mood=["très", "peu"] * 60)
    data = {**settings["data"], "encoding": "latin-1", "train": "other.csv"}
    study = textune.run({**settings, "data": data}, frame, out=tmp_path / "run", quiet=True)
    assert set(study.pipeline.config.classes) == {"très", "peu"}


class TestAStudyOfADataFrame:
    def test_learns_and_predicts(self, study):
        assert study.record.state == "done"
        assert study.best.result.value == 1
        assert study.predict(["a good day", "a bad day"]) == ["pos", "neg"]
        assert study.predict(pd.Series(["a good day", None, "a bad day"]))[::2] == ["pos", "neg"]
        assert study.predict(np.array(["a good day", "a bad day"])) == ["pos", "neg"]
        assert study.predict(DATA[:2]) == study.predict(pl.DataFrame(DATA[:2])) == ["pos", "neg"]
        assert study.predict_proba(DATA.to_dict("records")).shape == (120, 2)
        with pytest.raises(TextuneError, match="put it into a list"):
            study.predict("a good day")
        with pytest.raises(TextuneError, match=r"^the DataFrame has no column 'review'.*; pass the column of the"):
            study.pipeline.predict(DATA[["mood", "id"]])
        assert study.predict_proba(["a good day"]).sum() == pytest.approx(1)
        assert study.pipeline.config.text == "review"

    def test_has_a_row_for_each_trial(self, study):
        assert list(study.trials["trial"]) == [0, 1, 2]
        assert study.trials["valid.accuracy"].max() == study.best.result.value

    def test_has_the_columns_of_its_table_whoever_tracks_it(self, study):
        assert list(study.trials) == list(pd.read_csv(study.folder / "trials.csv"))
        (study.folder / "trials.csv").unlink()
        assert len(study.trials) == 3

    def test_says_what_it_is_in_a_line(self, study):
        name = str(study.folder)
        assert repr(study) == (
            f"<Study {name!r}: done, 3 trials, best: trial {study.best.spec.number} with valid.accuracy 1>"
        )
        assert len(repr(study.record)) < 300
        assert repr(study.record.trials).count("<3 × Progress>") == 3
        for trial in study.record.trials:
            assert len(repr(trial)) < 1000
            assert str(trial.spec.params) in repr(trial)

    def test_can_be_read_again(self, study):
        again = textune.load(study.folder)
        assert again.best.spec.params == study.best.spec.params
        assert again.predict(["a bad day"]) == ["neg"]
        study.folder.joinpath("report.html").unlink()
        assert again.report().exists()

    def test_keeps_the_rows_where_workers_can_read_them(self, study, cache_of_the_tests):
        config = study.record.header["config"]
        assert str(cache_of_the_tests) in config["data"]["path"]
        assert study.record.header["data"]["rows"] == 120


class TestNumbersAsTextsAndTruthAsLabels:
    """A column of numbers, of which one is missing, is a column of floats to pandas, and whole numbers elsewhere."""

    FRAME = pd.DataFrame({"code": [4.0, 7.0, None, 4.0, 7.0, 15.0] * 20, "spam": [True, False, True] * 40})

    @pytest.fixture(scope="class")
    @classmethod
    def study(cls, tiny_study, tmp_path_factory):
        settings = {
            **tiny_study,
            "data": {"text": "code", "label": "spam"},
            "search": {"trials": 1},
            "split": "holdout",
        }
        settings["training"] = {**tiny_study["training"], "epochs": 12}
        return textune.run(settings, cls.FRAME, out=tmp_path_factory.mktemp("runs") / "codes", quiet=True)

    @pytest.mark.parametrize("outcomes", ["trials/0000/attempt-1/outcomes.npz", "test-outcomes.npz"])
    def test_predict_what_was_measured(self, study, outcomes):
        with np.load(study.folder / outcomes, allow_pickle=False) as arrays:
            rows, measured_NK = arrays["rows"], arrays["probabilities"]
        np.testing.assert_allclose(study.predict_proba(self.FRAME["code"])[rows], measured_NK, atol=1e-6)
        np.testing.assert_allclose(study.pipeline.predict(self.FRAME["code"].iloc[rows]), measured_NK, atol=1e-6)

    def test_predict_the_same_of_every_type(self, study):
        for codes in ([4, 7], [4.0, 7.0], ["4", "7"], np.array([4, 7], np.int8), np.array([4, 7], np.float32)):
            assert study.predict(codes) == [True, False]
        assert study.pipeline.config.classes == ("false", "true")

    def test_predict_files_with_names_in_csv_and_types_in_json(self, study, textune, tmp_path):
        self.FRAME.to_parquet(tmp_path / "x.parquet")
        self.FRAME.to_json(tmp_path / "x.jsonl", orient="records", lines=True)
        expected = study.predict(self.FRAME["code"])
        for name in ("x.parquet", "x.jsonl"):
            said = textune("predict", study.folder, tmp_path / name, "--format", "jsonl")
            assert [json.loads(line)["label"] for line in said.out.splitlines()] == expected
        said = textune("predict", study.folder, tmp_path / "x.parquet")
        assert said.out.startswith("code,spam,label,probability.false,probability.true\n4.0,True,true,")
        assert [row["label"] for row in csv.DictReader(io.StringIO(said.out))] == [
            str(each).lower() for each in expected
        ]

    def test_refuse_what_is_no_text(self, study):
        with pytest.raises(DataError, match=r"^row 1 of the texts holds \['a'\], a list; allowed: text, a number"):
            study.predict(["a", ["a"]])


def test_a_mapping_or_a_file_is_a_study(tiny_study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("data: {kind: synthetic, rows: 240}\ntraining: {epochs: 1}\n", encoding="utf-8")
    study = textune.run("mine.yaml", quiet=True, overrides=["model.embedding.size=4"])
    assert study.folder.as_posix() == "runs/mine"
    with pytest.raises(RunFolderError, match="add --fresh"):
        textune.run("mine.yaml", quiet=True)
    assert textune.load("mine").record == study.record


class TestErrors:
    def test_of_an_empty_frame(self, settings):
        with pytest.raises(DataError, match="the DataFrame has no rows"):
            textune.run(settings, DATA[:0], quiet=True)

    def test_name_the_frame_and_its_row(self, settings, tmp_path):
        frame = pd.DataFrame({"review": pd.Series(["a\ud800", "b"], dtype=object), "mood": [0, 1]})
        with pytest.raises(DataError, match=r"^the DataFrame, row 0: column 'review' holds 'a.ud800', which has half"):
            textune.run(settings, data=frame, quiet=True)
        with pytest.raises(DataError, match=r"^data is a str; pass a pandas or polars DataFrame, an Arrow table"):
            textune.run(settings, "reviews.csv", quiet=True)

    def test_of_a_frame_without_the_column(self, settings, tmp_path):
        with pytest.raises(DataError, match=r"^the DataFrame has no column 'review'; did you mean 'reviews'"):
            textune.run(settings, DATA.rename(columns={"review": "reviews"}), out=tmp_path / "run", quiet=True)

    def test_of_a_wrong_mapping(self):
        with pytest.raises(StudyError, match=r"study:\d: training.epohs: .*did you mean 'epochs'"):
            textune.run({"training": {"epohs": 3}}, quiet=True)

    def test_of_a_study_without_data(self):
        with pytest.raises(StudyError, match=r"data: is missing; .* pass a DataFrame"):
            textune.run({}, quiet=True)


def test_a_polars_frame_with_lists_and_bytes_goes_from_run_to_predict(settings, tmp_path):
    frame = pl.DataFrame(
        {
            "review": ["a good day", "a bad day", None] * 40,
            "mood": pl.Series([1, 0, 1] * 40, dtype=pl.Int8),
            "tags": [["x"], [], None] * 40,
            "raw": [b"\xff", None, b""] * 40,
            "split": [[1], [2], [3]] * 40,
        }
    )
    study = textune.run(settings, frame, out=tmp_path / "run", overrides=["training.epochs=9"], quiet=True)
    assert study.predict(frame[:2]) == [1, 0]
    with np.load(study.folder / "test-outcomes.npz", allow_pickle=False) as outcomes:
        np.testing.assert_allclose(
            study.predict_proba(frame)[outcomes["rows"]], outcomes["probabilities"], rtol=0, atol=1e-6
        )
    assert study.record.header["data"]["sources"] == ["the DataFrame"]


def test_what_is_loaded_when_it_is_used_is_listed():
    assert {"run", "load", "Study", "__version__"} <= set(dir(textune))
    assert set(textune.__all__) <= set(dir(textune))


class TestPlugins:
    PLUGIN = """
from pydantic import Field
from textune.models.base import EncoderConfig
from textune.registry import lookup, register

@register("encoder", "wrapped")
class WrappedConfig(EncoderConfig):
    "A bag of words."
    ngrams: int = Field(1, ge=1, description="words in a row")

    def build(self, embedding):
        return lookup("encoder", "bag-of-words")(ngrams=self.ngrams).build(embedding)
"""

    @pytest.fixture
    def command(self, request):
        return request.getfixturevalue("textune")

    @pytest.fixture
    def forget(self):
        """Makes this process like one in which the plug-in never ran."""

        def forget():
            for name in [name for name in sys.modules if name.startswith("textune_plugin_")]:
                del sys.modules[name]
            ROLES["encoder"].kinds.pop("wrapped", None)

        yield forget
        forget()

    def test_their_settings_can_be_overridden_and_their_models_loaded(self, tiny_study, tmp_path, forget, command):
        (tmp_path / "wrapped.py").write_text(self.PLUGIN, encoding="utf-8")
        study = {**tiny_study, "model": {"encoder": "wrapped"}, "search": {}, "plugins": ["other.py"]}
        (tmp_path / "study.json").write_text(json.dumps(study), encoding="utf-8")
        changes = ["model.encoder.ngrams=2", "plugins=[wrapped.py]"]
        options = [option for change in changes for option in ("--set", change)]
        assert command("check", tmp_path / "study.json", *options, "--allow-plugins").code == 0
        forget()
        run = textune.run(
            tmp_path / "study.json", out=tmp_path / "run", overrides=changes, allow_plugins=True, quiet=True
        )
        assert run.best.spec.config["model"]["encoder"] == {"kind": "wrapped", "ngrams": 2}
        forget()
        with pytest.raises(TextuneError, match="read it, then allow it"):
            textune.load(tmp_path / "run").predict(["a good day"])
        loaded = textune.load(tmp_path / "run", allow_plugins=True)
        assert loaded.predict_proba(["a good day"]).shape == (1, 2)


def test_a_study_of_a_frame_goes_on_wherever_the_frame_is_cached(settings, tmp_path, monkeypatch):
    """Its rows are compared, not their place, which is another one after an update, too."""
    monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "before"))
    textune.run(settings, DATA, out=tmp_path / "run", overrides=["search.trials=1"], quiet=True)
    monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "after"))
    study = textune.run(settings, DATA, out=tmp_path / "run", overrides=["search.trials=2"], quiet=True)
    assert len(study.record.trials) == 2
    with pytest.raises(RunFolderError, match="the data changed since the study began"):
        textune.run(settings, DATA[6:], out=tmp_path / "run", overrides=["search.trials=3"], quiet=True)
