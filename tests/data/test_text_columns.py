"""Texts of several columns: joined alike for training and prediction, by data kind files and hub."""

import io

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textune import commands
from textune.data import FilesConfig, HubConfig
from textune.data.reading import CommandReading, Reading
from textune.data.text_columns import joined
from textune.errors import DataError
from textune.serve.predict import read_input

CSV = "title,body,label\nGood,a day,pos\n,a night,neg\nBad,,neg\n,,neg\n7,nan,pos\n"
TEXTS = ["Good a day", "a night", "Bad", "7"]


def test_cells_are_joined_without_those_that_are_empty(tmp_path):
    (tmp_path / "x.csv").write_text(CSV)
    rows = FilesConfig(path="x.csv", text=["title", "body"]).load([tmp_path], 0)
    assert rows.texts == TEXTS
    assert list(rows.skipped.values()) == [1]
    rows = FilesConfig(path="x.csv", text=["body", "title"], separator=" | ").load([tmp_path], 0)
    assert rows.texts[:2] == ["a day | Good", "a night"]


def test_a_column_that_is_missing_is_named(tmp_path):
    (tmp_path / "x.csv").write_text(CSV)
    with pytest.raises(DataError, match=r"no column 'bdy'; did you mean 'body'\?; set data.text to one of"):
        FilesConfig(path="x.csv", text=["title", "bdy"]).load([tmp_path], 0)


def test_a_set_of_the_hub_joins_them_alike(tmp_path):
    (tmp_path / "x.csv").write_text(CSV)
    rows = FilesConfig(path="x.csv", text=["title", "body"], separator="\n").load([tmp_path], 0)
    records = {"title": ["Good", None, "Bad", None, "7"], "body": ["a day", "a night", "", None, None]}
    labels = ["pos", "neg", "neg", "neg", "pos"]
    datasets.Dataset.from_dict({**records, "label": labels}).save_to_disk(str(tmp_path / "set"))
    hub = HubConfig(path="set", text=["title", "body"], separator="\n").load([tmp_path], 0)
    assert hub.texts == rows.texts


@given(st.lists(st.tuples(*[st.sampled_from(["", " ", "a", "nan", "b c", None])] * 2), min_size=1))
def test_predictions_join_them_as_training_does(tmp_path_factory, pairs):
    path = tmp_path_factory.getbasetemp() / "pairs.csv"
    path.write_text("a,b,label\n" + "".join(f"{a or ''},{b or ''},{n % 2}\n" for n, (a, b) in enumerate(pairs)))
    predicted = read_input(str(path), io.BytesIO(), [("a", "b")]).texts
    try:
        trained = FilesConfig(path=str(path), text=["a", "b"]).load([], 0).texts
    except DataError:  # no usable row, or one class
        return
    assert [text for text in predicted if text] == trained


def test_of_one_column_nothing_changes():
    assert joined([["a", None, ""]], " ") == ["a", None, ""]


def test_a_model_reads_its_columns_again(textune, tiny_study, tmp_path):
    reviews = "".join(f"{word},day {number},{word}\n" for number in range(30) for word in ("good", "bad"))
    (tmp_path / "x.csv").write_text("title,body,mark\n" + reviews)
    data = {"kind": "files", "path": str(tmp_path / "x.csv"), "text": ["title", "body"], "label": "mark"}
    study = {**tiny_study, "data": {**data, "separator": " - "}, "split": "holdout", "search": {"space": {}}}
    finished = commands.run(study, out=tmp_path / "run", quiet=True)
    assert finished.exit_code == 0
    both = textune("predict", tmp_path / "run", tmp_path / "x.csv", "--format", "jsonl")
    (tmp_path / "joined.csv").write_text("text\n" + "".join(f"{word} - day 0\n" for word in ("good", "bad")))
    one = textune("predict", tmp_path / "run", tmp_path / "joined.csv", "--format", "jsonl")
    assert [line[line.index('"label"') :] for line in both.out.splitlines()[:2]] == [
        line[line.index('"label"') :] for line in one.out.splitlines()
    ]
    renamed = textune("predict", tmp_path / "run", tmp_path / "x.csv", "--text", "body", "--text", "title")
    assert renamed.code == 0
    (tmp_path / "lack.csv").write_text("title,x\na,b\n")
    assert "no column 'body'" in textune("predict", tmp_path / "run", tmp_path / "lack.csv").err


def test_a_file_read_as_one_column_is_not_taken_for_several(tmp_path):
    """With the study's delimiter each line of another file is one cell."""
    (tmp_path / "x.csv").write_text("a film\tgood\nanother\tbad\n")
    reading = CommandReading.of(Reading(header=False, delimiter=";"), {})
    with pytest.raises(DataError, match="no column 'column2'"):
        read_input(str(tmp_path / "x.csv"), io.BytesIO(), (("column1", "column2"), "text"), reading)
    assert read_input("-", io.BytesIO(b"a film\n"), (("column1", "column2"), "text"), reading).texts == ["a film"]
