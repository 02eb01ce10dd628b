"""Which columns hold the texts, the labels and the split."""

import json

import pytest

from textune.config.load import load_study
from textune.errors import DataError
from textune.starter import first_study

WORDS = ["room", "staff", "pool", "quiet", "loud", "clean", "dirty", "breakfast", "bed", "view", "street", "bar"]


def study(folder, rows, label="label", name="x.jsonl"):
    """Returns the config of what `init` prints for rows."""
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "study.yaml").write_text(first_study(str(folder / name), label).text, encoding="utf-8")
    return load_study(folder / "study.yaml").config


def words(number, count):
    return " ".join(WORDS[(number * (place + 3) + place) % len(WORDS)] for place in range(count)) + f" {number}"


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"address": 9, "review": 5}, "review"),
        ({"full_address": 9, "reviewText": 5}, "reviewText"),
        ({"url": 1, "v2": 4}, "v2"),
        ({"title": 3, "body": 3}, "body"),
        ({"x": 3, "y": 40}, "y"),
        ({"review_id": 1, "review_date": 3, "Review": 2}, "Review"),
    ],
)
def test_texts_are_told_by_names_and_lengths(tmp_path, columns, chosen):
    rows = [{**{name: words(n, count) for name, count in columns.items()}, "label": n % 2} for n in range(60)]
    assert study(tmp_path, rows).data.text == chosen


def test_a_constant_column_and_a_column_of_classes_are_no_texts(tmp_path):
    rows = [
        {
            "note": "one and the same note of very many words in each of the rows",
            "kind": ["hotel with a pool and a view", "hostel with neither of these"][n % 2],
            "t": words(n, 3),
            "label": n % 2,
        }
        for n in range(60)
    ]
    config = study(tmp_path, rows)
    assert config.data.text == "t"
    notes = first_study(str(tmp_path / "x.jsonl"), "label").notes
    assert notes == ("Text column: 't', not 'kind', 'note'; choose another with --text, or several to join them.",)


@pytest.mark.parametrize("words_of_split", [("Train", "TEST", "Dev"), ("train", "test"), ("training", "validation")])
@pytest.mark.parametrize("column", ["split", "Part", "set"])
def test_a_split_is_taken_whatever_its_column_and_words(tmp_path, words_of_split, column):
    rows = [
        {"text": words(n, 4), "label": n // 3 % 2, column: words_of_split[n % len(words_of_split)]} for n in range(60)
    ]
    config = study(tmp_path, rows)
    assert (config.data.split, config.split.kind) == (column, "given")
    notes = first_study(str(tmp_path / "x.jsonl"), "label").notes
    assert ("There are no test rows, so there will be no test score." in notes) == (len(words_of_split[0]) == 8)


def test_a_column_of_other_words_is_no_split_nor_is_the_column_of_labels(tmp_path):
    rows = [{"text": words(n, 4), "label": n % 2, "set": ["train", "extra"][n // 2 % 2]} for n in range(60)]
    assert study(tmp_path, rows).split.kind == "holdout"
    rows = [{"text": words(n, 4), "split": ["train", "test"][n % 2]} for n in range(60)]
    config = study(tmp_path, rows, label="split")
    assert (config.data.label, config.data.split, config.split.kind) == ("split", None, "holdout")


class TestTheLabel:
    def test_is_the_column_that_is_called_so(self, tmp_path):
        rows = [{"text": words(n, 4), "Sentiment": n % 2} for n in range(60)]
        assert study(tmp_path, rows, label=None).data.label == "Sentiment"

    def test_is_asked_for_where_none_or_several_are(self, tmp_path):
        for columns in ({"a": 1}, {"label": 1, "stars": 2}):
            with pytest.raises(DataError, match="has no column that is clearly the label; set --label to one of: '"):
                study(tmp_path, [{"text": "t", **columns}] * 3, label=None)

    def test_may_be_a_number_unless_a_column_is_called_so(self, tmp_path):
        rows = [{"text": words(n, 4), "x": n % 2, "2": n % 3} for n in range(60)]
        assert study(tmp_path, rows, label="2").data.label == "2"
        assert study(tmp_path, rows, label="3").data.label == "2"
        with pytest.raises(DataError, match="no column '4'"):
            study(tmp_path, rows, label="4")

    def test_of_a_file_without_a_header_is_asked_for_by_number(self, tmp_path):
        (tmp_path / "x.csv").write_text("".join(f"{words(n, 3)},{['pos', 'neg'][n % 2]}\n" for n in range(40)))
        with pytest.raises(
            DataError, match=r"has no header; set --label to the number of a column \(1: 'room.*2: 'pos'"
        ):
            first_study(str(tmp_path / "x.csv"), "mark")

    def test_that_is_misspelt_is_noticed_behind_another_delimiter(self, tmp_path):
        lines = "".join(f"{words(n, 3)};{['pos', 'neg'][n % 2]}\n" for n in range(40))
        (tmp_path / "x.csv").write_text("text;urteil\n" + lines)
        with pytest.raises(DataError, match=r"no column 'urtiel'; did you mean 'urteil'\?"):
            first_study(str(tmp_path / "x.csv"), "urtiel")
