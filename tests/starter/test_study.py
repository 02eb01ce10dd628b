"""A newcomer's own file, whatever its format, gives a study that is valid and learns."""

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textune import commands
from textune.config.load import load_study
from textune.errors import DataError
from textune.starter.study import _quoted, first_study

LABELS = ("awful", "fine", "great")
ROWS = [
    {
        "id": number,
        "review": f"day {number % 7} was {LABELS[number % 3]} for us",
        "stars": number % 3 + 1,
        "split": part,
    }
    for number, part in enumerate(("train", "train", "train", "test", "valid", "train") * 20)
]
NAMES = tuple(ROWS[0])


def lines(separator, rows, names=NAMES):
    return "\n".join(separator.join(map(str, row)) for row in [names, *(row.values() for row in rows)]) + "\n"


def test_texts_without_spaces_are_read_by_characters(tmp_path):
    rows = "".join(f"r{number},{'很好的酒店' if number % 2 else '房间太脏了'},{number % 2}\n" for number in range(40))
    (tmp_path / "x.csv").write_text("id,review,stars\n" + rows, encoding="utf-8")
    study = first_study(str(tmp_path / "x.csv"), "stars").text
    assert "text: review" in study
    assert "tokenizer: {kind: characters, max_length: 32}" in study
    assert "texts of 5 characters (median)" in study


def write(path, rows=ROWS, names=NAMES):
    """Writes rows in the format that the file's name tells."""
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines(",", rows).encode()))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        path.write_text(lines("\t" if path.suffix == ".tsv" else ",", rows, names), encoding="utf-8")
    return path


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Writes rows to a file, and the study that `init` prints for it beside it; returns the path of the study."""
    monkeypatch.chdir(tmp_path)

    def init(name="reviews.csv", rows=ROWS, label="stars", text=()):
        write(tmp_path / name, rows)
        path = tmp_path / "study.yaml"
        path.write_text(first_study(name, label, text).text, encoding="utf-8")
        return path

    return init


class TestTheStudy:
    @pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "csv.gz"])
    def test_of_every_format_is_valid_and_finds_its_rows(self, study, suffix):
        path = study(f"reviews.{suffix}")
        config = load_study(path).config
        assert (config.name, config.data.text, config.data.label) == ("reviews", "review", "stars")
        assert commands.check(path).endswith("left out there")
        statistics = commands.describe(path)
        assert (statistics["rows"], statistics["classes"]) == (120, ["1", "2", "3"])
        assert {name: part["rows"] for name, part in statistics["splits"].items()} == {
            "train": 80,
            "valid": 20,
            "test": 20,
            "all": 120,
        }

    @pytest.mark.parametrize("delimiter", [";", "\t", "|"])
    def test_finds_what_separates_the_columns(self, tmp_path, monkeypatch, delimiter):
        monkeypatch.chdir(tmp_path)
        rows = [{**row, "review": f"{row['review']}, yes, really"} for row in ROWS]
        (tmp_path / "reviews.csv").write_text(lines(delimiter, rows), encoding="utf-8")
        path = tmp_path / "study.yaml"
        path.write_text(first_study("reviews.csv", "stars").text, encoding="utf-8")
        assert load_study(path).config.data.delimiter == delimiter
        assert commands.describe(path)["rows"] == 120

    def test_runs_and_learns(self, study, tmp_path):
        changes = ("search.trials=1", "training.early_stopping.patience=null", "model.encoder=cnn")
        finished = commands.run(study(), out=tmp_path / "run", overrides=changes, quiet=True)
        assert finished.exit_code == 0
        assert finished.record.test["metrics"]["test.accuracy"] == 1

    def test_holds_out_a_test_part_where_the_file_has_none(self, study):
        rows = [{**row, "split": "?"} for row in ROWS]
        splits = commands.describe(study(rows=rows))["splits"]
        assert (splits["train"]["rows"], splits["valid"]["rows"], splits["test"]["rows"]) == (84, 18, 18)

    def test_counts_classes_alike_where_one_is_rare(self, study):
        assert load_study(study()).config.objective.metric == "valid.accuracy"
        config = load_study(study(rows=ROWS[:9] + [row for row in ROWS if row["stars"] > 1])).config
        assert config.objective.metric == "valid.f1_macro"
        assert config.training.class_weights == "balanced"

    @pytest.mark.parametrize(("words", "encoder"), [(10, "rnn"), (200, "bag-of-words")])
    def test_begins_with_the_encoder_that_suits_the_length(self, study, words, encoder):
        rows = [{**row, "review": "word " * words} for row in ROWS]
        assert load_study(study(rows=rows)).config.model.encoder.kind == encoder

    def test_reads_the_column_that_is_named(self, study):
        rows = [{**row, "stars": "two words and more than in any review"[: 20 + row["stars"]]} for row in ROWS]
        config = load_study(study(rows=rows, label="split", text=["review"])).config
        assert (config.data.text, config.data.label) == ("review", "split")


class TestAFileThatDoesNotDo:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"label": "star"}, "no column 'star'; did you mean 'stars'?"),
            (
                {"label": "stars", "text": ["xyz"]},
                "no column 'xyz'; set --text to one of: 'id', 'review', 'stars', 'split'",
            ),
            (
                {"label": "id"},
                "column 'id' holds 120 different values in 120 rows, too many for classes; set --label to another",
            ),
            ({"rows": ROWS[:1]}, "column 'stars' holds the one class '1' in 1 rows; a classifier needs two; add rows"),
        ],
    )
    def test_is_refused_in_a_sentence(self, study, arguments, words):
        with pytest.raises(DataError) as error:
            study(**arguments)
        assert words in str(error.value)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12))
def test_any_name_of_a_column_survives_yaml(name):
    from textune.config.files import parse

    assert parse(f"data: {{text: {_quoted(name)}, label: x}}").values["data"]["text"] == name


cells = st.sampled_from(["pos", "neg", "1", "1.0", "nan", "", " pos", "Pos", "NaN", "2", "true", "True", "007"])
parts = st.sampled_from(["train", "Train", "TEST", "valid", "dev", "", "other"])


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    labels=st.lists(cells, min_size=2, max_size=40),
    splits=st.one_of(st.none(), st.lists(parts, min_size=40, max_size=40)),
    typed=st.booleans(),
    odd=st.sampled_from([None, ["a", "b"], {"a": 1}, 1, 1.0, True]),
)
def test_what_is_printed_loads_as_its_comment_says(tmp_path_factory, labels, splits, typed, odd):
    folder = tmp_path_factory.getbasetemp()
    rows = [{"words": f"text {number}", "label": label} for number, label in enumerate(labels)]
    for number, row in enumerate(rows):
        row.update({} if splits is None else {"split": splits[number]})
    if typed:
        rows[0]["label"] = odd
    write(folder / ("any.jsonl" if typed else "any.csv"), rows, names=tuple(rows[0]))
    try:
        study = first_study(str(folder / ("any.jsonl" if typed else "any.csv")), "label")
    except DataError as error:
        assert "data.label" not in str(error)
        return
    (folder / "any.yaml").write_text(study.text, encoding="utf-8")
    assert commands.check(folder / "any.yaml")
    config = load_study(folder / "any.yaml").config
    loaded = config.data.load([folder], config.seed)
    assert f": {len(loaded)} rows, {len(loaded.classes)} labels, texts of 2 words" in study.text
    config.split.assign(loaded, config.seed)
