"""Predictions for files: what is read, what is written, and that a model brings its plug-in along."""

import csv
import gzip
import io
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from textune import commands
from textune.data import CommandReading, Reading
from textune.errors import DataError, TextuneError
from textune.registry import ROLES
from textune.serve.predict import find_pipeline, predict_file, predict_table, read_input, write_predictions

TEXTS = ["a good room", "not a good room, it was bad", "was it?"]

PLUGIN = """\
from pydantic import Field
from torch import nn

from textune.models.base import EncoderConfig
from textune.models.nets.base import Encoder
from textune.registry import register


@register("encoder", "doubled-mean")
class DoubledMeanConfig(EncoderConfig):
    "The mean of the vectors, through one layer."

    hidden_size: int = Field(8, ge=1, description="width of the layer")

    def build(self, embedding):
        return DoubledMean(embedding, self.hidden_size)


class DoubledMean(Encoder):
    def __init__(self, embedding, hidden_size):
        super().__init__()
        self.embedding, self.output_size = embedding, hidden_size
        self.layer = nn.Linear(embedding.output_size, hidden_size)

    def forward(self, ids_BT, mask_BT):
        weights_BT = mask_BT / mask_BT.sum(1, keepdim=True)
        return self.layer(2 * self.embedding.weighted_sum(ids_BT, weights_BT))[:, None], mask_BT[:, :1]
"""


@pytest.fixture(scope="session")
def pipeline(finished):
    return find_pipeline(finished.folder.path)


def read(content, name="-", folder=None, columns=("text",), reading=CommandReading()):  # noqa: B008
    if name == "-":
        return read_input("-", io.BytesIO(content), columns, reading)
    path = folder / name
    path.write_bytes(content)
    return read_input(str(path), io.BytesIO(), columns, reading)


class TestTheInput:
    @pytest.mark.parametrize(
        ("content", "texts"),
        [
            (b"one\ntwo\n", ["one", "two"]),
            (b"one\ntwo", ["one", "two"]),
            (b"one\r\n\r\ntwo\r\n", ["one", "", "two"]),
            ("a\rb\x0bc\x85d\u2028e\n".encode(), ["a\rb\x0bc\x85d\u2028e"]),
            ("\ufeffone\n".encode(), ["one"]),
            (b"", []),
        ],
    )
    def test_of_lines_ends_a_text_at_line_feeds_only(self, content, texts, tmp_path):
        assert read(content).texts == texts
        assert read(content, "texts.txt", tmp_path).texts == texts
        assert read(gzip.compress(content), "texts.txt.gz", tmp_path).texts == texts

    def test_of_lines_that_are_not_utf8_names_the_line(self):
        with pytest.raises(DataError, match="stdin, line 2 is not utf-8"):
            read(b"fine\ncaf\xe9\n")

    @pytest.mark.parametrize("name", ["-", "t.txt", "t.csv", "t.jsonl"])
    def test_is_read_in_the_encoding_that_is_named(self, name, tmp_path):
        content = {"t.csv": "text\nschön\n", "t.jsonl": '{"text": "schön"}\n'}.get(name, "schön\n").encode("cp1252")
        with pytest.raises(
            DataError, match=r"byte 0xf6 at offset \d+; set --encoding to cp1252, or set --encoding-errors"
        ):
            read(content, name, tmp_path)
        reading = CommandReading.of(Reading(), {"encoding": "cp1252", "encoding_errors": None})
        assert read(content, name, tmp_path, reading=reading).texts == ["schön"]
        reading = CommandReading.of(Reading(), {"encoding_errors": "replace"})
        assert read(content, name, tmp_path, reading=reading).texts == ["sch\ufffdn"]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"encoding": "uft-8"}, "^--encoding: 'uft-8' is no text encoding"),
            ({"delimiter": ";;"}, "^--delimiter is ';;'"),
        ],
    )
    def test_is_not_read_in_a_way_that_there_is_not(self, options, words):
        with pytest.raises(DataError, match=words):
            CommandReading.of(Reading(), options)

    def test_that_is_missing_is_named_without_a_word_of_studies(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError) as error:
            read_input("new.csv", io.BytesIO())
        assert str(error.value) == f"there is no file 'new.csv' in {tmp_path}; check the path"
        with pytest.raises(DataError, match=rf"^there is no file '{tmp_path}/new.csv'; check the path"):
            read_input(str(tmp_path / "new.csv"), io.BytesIO())

    def test_of_a_table_keeps_its_columns_as_they_came(self, tmp_path):
        given = read(b"id,text,label\n007,a day,pos\n8,,neg\n", "texts.csv", tmp_path)
        assert given.names == ("id", "text", "label")
        assert list(given.columns["id"]) == ["007", "8"]
        assert given.texts == ["a day", ""]

    def test_of_json_lines_may_lack_texts_and_hold_half_of_a_character(self, tmp_path):
        given = read(b'{"text": "a"}\n{"text": null}\n{"text": NaN}\n{"text": "\\ud83d"}\n', "t.jsonl", tmp_path)
        assert given.texts == ["a", "", "", "\ufffd"]

    def test_of_parquet_is_read(self, tmp_path):
        pyarrow.parquet.write_table(pyarrow.table({"text": TEXTS}), tmp_path / "t.parquet")
        assert read_input(str(tmp_path / "t.parquet"), io.BytesIO()).texts == TEXTS

    def test_takes_the_first_column_of_a_known_name_or_the_only_one(self, tmp_path):
        table = b"text,review\na,b\n"
        assert read(table, "t.csv", tmp_path, ("review", "text")).texts == ["b"]
        assert read(table, "t.csv", tmp_path, ("body", "text")).texts == ["a"]
        assert read(b"words\na\n", "t.csv", tmp_path, ("body", "text")).texts == ["a"]
        with pytest.raises(DataError, match=r"no column 'reviw'; did you mean 'review'\?; set --text to one of"):
            read(table, "t.csv", tmp_path, ("reviw",))
        with pytest.raises(DataError, match=r"no column 'body'; set --text to one of: 'words'"):
            read(b"words\na\n", "t.csv", tmp_path, ("body",))

    @pytest.mark.parametrize("header", ["id;text;stars", "id\ttext", "id|text"])
    def test_of_columns_with_another_delimiter_is_never_one_text(self, header, tmp_path):
        with pytest.raises(DataError, match="which looks like several; set --delimiter to"):
            read(f"{header}\n{header}\n".encode(), "t.csv", tmp_path, ("text", "text"))

    def test_of_lines_is_told_by_a_name_in_any_case(self, tmp_path):
        assert read(b"id;text\n", "T.TXT", tmp_path).texts == ["id;text"]


class TestTheOutput:
    def written(self, pipeline, given, output_format):
        stream = io.StringIO(newline="")
        write_predictions(predict_table(pipeline, given), stream, output_format)
        return stream.getvalue()

    def test_is_the_input_then_the_label_then_every_class(self, pipeline):
        text = self.written(pipeline, read("\n".join(TEXTS).encode()), "csv")
        header, *rows = csv.reader(io.StringIO(text))
        assert header == ["text", "label", "probability.negative", "probability.positive"]
        assert [row[0] for row in rows] == TEXTS
        probabilities_NK = np.array([row[2:] for row in rows], dtype=float)
        np.testing.assert_allclose(probabilities_NK, pipeline.predict(TEXTS), atol=1e-6)
        classes = pipeline.config.classes
        assert [row[1] for row in rows] == [classes[index] for index in probabilities_NK.argmax(1)]

    def test_has_a_header_where_there_is_nothing_to_predict(self, pipeline):
        assert self.written(pipeline, read(b""), "csv") == "text,label,probability.negative,probability.positive\n"
        assert self.written(pipeline, read(b""), "jsonl") == ""

    def test_does_not_hide_columns_of_the_input(self, pipeline, tmp_path):
        given = read(b"text,label,predicted.label\na,pos,x\n", "t.csv", tmp_path)
        (row,) = csv.DictReader(io.StringIO(self.written(pipeline, given, "csv")))
        assert (row["label"], row["predicted.label"]) == ("pos", "x")
        assert row["predicted.predicted.label"] in pipeline.config.classes

    def test_in_json_is_strict_and_keeps_types(self, pipeline, tmp_path):
        line = '{"text": "ä", "id": 7, "score": NaN, "log": -Infinity, "tags": ["x"], "of": {"a": [1e999, 2]}}\n'
        given = read(line.encode(), "t.jsonl", tmp_path)
        text = self.written(pipeline, given, "jsonl")
        row = json.loads(text, parse_constant=pytest.fail)
        assert (row["text"], row["id"], row["score"], row["tags"]) == ("ä", 7, None, ["x"])
        assert (row["log"], row["of"]) == (None, {"a": [None, 2]})
        assert "ä" in text


class TestTheCommand:
    def test_gives_the_probabilities_that_training_measured(self, textune, finished, tmp_path):
        """From raw text, through the file of the model and the command line, to the numbers the report is made of."""
        from textune.config.load import load_study
        from textune.data import Cache
        from textune.trial import prepare_data

        loaded = load_study(finished.folder.study_file)
        prepared = prepare_data(loaded.config, loaded.folders, Cache())
        with np.load(finished.folder.outcomes(finished.record.best.spec.number), allow_pickle=False) as outcomes:
            texts = [prepared.rows.texts[row] for row in outcomes["rows"].tolist()]
            measured_NK = outcomes["probabilities"]
        (tmp_path / "t.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        assert textune("predict", finished.folder.path, tmp_path / "t.jsonl", "--output", tmp_path / "p.csv").out == ""
        with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        predicted_NK = [[float(row[f"probability.{name}"]) for name in prepared.classes] for row in rows]
        np.testing.assert_allclose(predicted_NK, measured_NK, rtol=0, atol=2e-6)

    def test_finds_a_model_by_run_by_name_and_by_folder(self, textune, finished, monkeypatch, tmp_path):
        (tmp_path / "runs").symlink_to(finished.folder.path.parent)
        monkeypatch.chdir(tmp_path)
        places = ("tiny", "runs/tiny", "runs/tiny/best", finished.folder.path)
        said = [textune("predict", place, "-", stdin=b"a\n") for place in places]
        assert [each.code for each in said] == [0] * len(places)
        assert len({each.out for each in said}) == 1

    def test_says_which_column_it_reads_if_there_is_but_one_of_another_name(self, textune, finished, tmp_path, caplog):
        (tmp_path / "one.csv").write_text("label\ngood\n")
        assert textune("predict", finished.folder.path, tmp_path / "one.csv").code == 0
        assert "one.csv has one column, 'label', which is read as the texts" in caplog.text
        caplog.clear()
        (tmp_path / "one.csv").write_text("text\ngood\n")
        assert textune("predict", finished.folder.path, tmp_path / "one.csv").code == 0
        assert not caplog.text

    def test_says_how_many_texts_are_empty(self, textune, finished, caplog):
        textune("predict", finished.folder.path, "-", stdin=b"a\n\n  \n")
        assert "2 of 3 texts are empty" in caplog.text

    def test_that_cannot_write_says_so(self, textune, finished, tmp_path):
        said = textune("predict", finished.folder.path, "-", "--output", tmp_path / "no" / "p.csv", stdin=b"a\n")
        assert (said.code, said.out) == (2, "")
        assert "p.csv cannot be written: No such file or directory" in said.err
        said = textune("predict", finished.folder.path, "-", "--output", tmp_path, stdin=b"a\n")
        assert f"{tmp_path} cannot be written: Is a directory" in said.err

    def test_removes_what_a_killed_one_left_of_the_same_output(self, finished, textune, tmp_path):
        (tmp_path / ".p.csv.4711-139812.tmp").write_text("text,label\nhalf")
        textune("predict", finished.folder.path, "-", "--output", tmp_path / "p.csv", stdin=b"a\n")
        assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]

    def test_writes_where_a_link_leads_and_into_a_pipe(self, textune, finished, tmp_path):
        (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
        textune("predict", finished.folder.path, "-", "--output", tmp_path / "link.csv", stdin=b"a\n")
        expected = (tmp_path / "real.csv").read_bytes()
        assert expected.startswith(b"text,label,")
        assert (tmp_path / "link.csv").is_symlink()
        os.mkfifo(tmp_path / "pipe")
        with ThreadPoolExecutor() as reader:
            received = reader.submit((tmp_path / "pipe").read_bytes)
            textune("predict", finished.folder.path, "-", "--output", tmp_path / "pipe", stdin=b"a\n")
            assert received.result(timeout=20) == expected
        assert (tmp_path / "pipe").is_fifo()

    def test_reads_columns_as_the_study_did_unless_it_is_told_otherwise(self, textune, tiny_study, tmp_path):
        reviews = "".join(f"{number};a {word} café;{word}\n" for number in range(30) for word in ("good", "bad"))
        (tmp_path / "reviews.csv").write_text("id;review;mark\n" + reviews, encoding="cp1252")
        data = {
            "path": str(tmp_path / "reviews.csv"),
            "text": "review",
            "label": "mark",
            "delimiter": ";",
            "encoding": "cp1252",
        }
        study = {**tiny_study, "data": {"kind": "files", **data}, "split": "holdout", "search": {"space": {}}}
        commands.run(study, out=tmp_path / "run", quiet=True)
        said = textune("predict", tmp_path / "run", tmp_path / "reviews.csv")
        header, first, *_ = said.out.splitlines()
        assert header == "id,review,mark,label,probability.bad,probability.good"
        assert first.startswith("0,a good café,good,")
        (tmp_path / "other.csv").write_text("id\treview\n7\ta bad café\n", encoding="utf-16")
        assert "--delimiter" in textune("predict", tmp_path / "run", tmp_path / "other.csv", "--encoding", "utf-16").err
        said = textune(
            "predict", tmp_path / "run", tmp_path / "other.csv", "--delimiter", "tab", "--encoding", "utf-16"
        )
        assert said.out.splitlines()[1].startswith("7,a bad café,")
        assert "give one character" in textune("predict", tmp_path / "run", "other.csv", "--delimiter", "ab").err
        said = textune("predict", tmp_path / "run", "-", stdin="ein café\n".encode())
        assert said.out.splitlines()[1].startswith("ein café,"), "stdin is UTF-8, whatever the study's files were"
        said = textune("predict", tmp_path / "run", "-", "--encoding", "cp1252", stdin="ein café\n".encode("cp1252"))
        assert said.out.splitlines()[1].startswith("ein café,")


class TestAModelWithAPlugin:
    @pytest.fixture
    def run(self, tiny_study, tmp_path):
        (tmp_path / "doubled.py").write_text(PLUGIN, encoding="utf-8")
        study = {**tiny_study, "plugins": ["doubled.py"], "execution": {"kind": "processes", "workers": 1}}
        study["model"] = {"embedding": {"size": 8}, "encoder": {"kind": "doubled-mean", "hidden_size": 4}}
        (tmp_path / "study.json").write_text(json.dumps(study), encoding="utf-8")
        return tmp_path

    @pytest.fixture
    def forgotten(self):
        """Makes this process like one in which the plug-in never ran."""

        def forget():
            for name in [name for name in sys.modules if name.startswith("textune_plugin_")]:
                del sys.modules[name]
            ROLES["encoder"].kinds.pop("doubled-mean", None)

        forget()
        yield forget
        forget()

    def test_trains_in_workers_and_predicts_where_its_file_is_allowed(self, run, textune, forgotten):
        assert "allow it with --allow-plugins" in textune("run", run / "study.json", "--out", run / "run").err
        finished = commands.run(run / "study.json", out=run / "run", allow_plugins=True, quiet=True)
        assert finished.exit_code == 0
        assert len(finished.record.trials) == 3
        assert list(finished.record.header["plugins"]) == [str(run / "doubled.py")]
        expected = find_pipeline(run / "run").predict(TEXTS)

        forgotten()
        (run / "doubled.py").unlink()  # the model has its own
        refused = textune("predict", run / "run", "-", stdin=b"a\n")
        assert (refused.code, refused.out) == (2, "")
        assert f"runs Python code from {run / 'run' / 'best' / 'doubled.py'}; read it, then allow it" in refused.err
        allowed = textune("predict", run / "run", "-", "--allow-plugins", stdin="\n".join(TEXTS).encode())
        assert (allowed.code, allowed.err) == (0, "")
        np.testing.assert_allclose(find_pipeline(run / "run").predict(TEXTS), expected, atol=1e-6)

        forgotten()
        (run / "run" / "best" / "doubled.py").write_text(PLUGIN.replace("2 *", "3 *"), encoding="utf-8")
        with pytest.raises(TextuneError, match=r"doubled\.py is not the plug-in file the model was trained with"):
            find_pipeline(run / "run", allow_plugins=True)


def test_a_terminal_is_shown_what_it_would_obey(finished, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    (tmp_path / "in.jsonl").write_text(json.dumps({"text": "a\x1b[31m\x9b\u202e\rtext\nnext"}) + "\n")
    for kind, words in (
        ("csv", '"a\\x1b[31m\\x9b\\u202e\\rtext\nnext"'),
        ("jsonl", r"a\u001b[31m\x9b\u202e\rtext\nnext"),
    ):
        monkeypatch.setattr(sys, "stdout", Terminal())
        predict_file(finished.folder.path, str(tmp_path / "in.jsonl"), output_format=kind)
        assert words in sys.stdout.getvalue()
        assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(sys.stdout.getvalue())
