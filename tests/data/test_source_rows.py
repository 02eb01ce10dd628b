"""Which row of its source each row of a data set is, whatever was left out before."""

import json

import numpy as np
import pandas as pd
import pytest

from textune.data import Cache, FilesConfig, GivenConfig, HubConfig, ImdbConfig, SstConfig, SyntheticConfig, load_rows
from textune.data.sampling import take

READERS = {
    "csv": pd.read_csv,
    "tsv": lambda path: pd.read_csv(path, sep="\t"),
    "jsonl": lambda path: pd.read_json(path, lines=True),
    "parquet": pd.read_parquet,
    "json": pd.read_json,
    "xlsx": pd.read_excel,
}


def table(first, count):
    """Rows with a text of their own; every third lacks a text or a label, or both."""
    numbers = range(first, first + count)
    texts = [None if number % 6 == 0 else f"text {number}" for number in numbers]
    labels = [None if number % 9 == 3 else ("no", "yes")[number % 2] for number in numbers]
    return pd.DataFrame({"text": texts, "label": labels, "group": [number // 4 for number in numbers]})


def write(frame, path):
    ending = path.suffix.removeprefix(".")
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending == "json":
        frame.to_json(path, orient="records")
    elif ending == "xlsx":
        blank = pd.DataFrame({"text": [None] * 2})
        pd.concat([frame[:5], blank, frame[5:]]).to_excel(path, index=False)  # which pandas reads as rows
    elif ending == "jsonl":
        path.write_text(frame.to_json(orient="records", lines=True).replace("\n", "\n\n", 3))
    else:
        text = frame.to_csv(index=False, sep="\t" if ending == "tsv" else ",")
        path.write_text("\n" + text.replace("\n", "\n\n", 3))  # blank lines are no rows


def assert_rows_are_found(rows, source):
    places = rows.in_source(np.arange(len(rows)))
    assert source["text"].iloc[places].tolist() == list(rows.texts)
    assert source["label"].iloc[places].tolist() == [rows.classes[label] for label in rows.labels_N]


@pytest.mark.parametrize("settings", [{}, {"max_rows": 30}, {"max_rows": 30, "group": "group"}])
@pytest.mark.parametrize("ending", READERS)
def test_of_a_file_it_is_the_data_row(tmp_path, ending, settings):
    path = tmp_path / f"x.{ending}"
    write(table(0, 90), path)
    rows = FilesConfig(path=path.name, **settings).load([tmp_path], 1)
    assert_rows_are_found(rows, READERS[ending](path))
    assert (len(rows) <= 30) == ("max_rows" in settings)


@pytest.mark.parametrize("max_rows", [None, 40])
def test_of_several_files_they_count_on_as_train_valid_and_test(tmp_path, max_rows):
    parts = {"train.csv": table(1, 60), "valid.parquet": table(100, 17), "test.jsonl": table(200, 23)}
    for name, frame in parts.items():
        write(frame, tmp_path / name)
    files = {name.partition(".")[0]: name for name in parts}
    rows = FilesConfig(**files, max_rows=max_rows).load([tmp_path], 1)
    assert_rows_are_found(rows, pd.concat(parts.values()))
    splits = GivenConfig().assign(rows, 1)
    assert rows.in_source(splits.test).min() >= 77


def test_blank_rows_of_a_sheet_count_as_pandas_counts_them(tmp_path):
    write(table(1, 40), tmp_path / "train.xlsx")
    write(table(100, 10), tmp_path / "test.csv")
    rows = FilesConfig(train="train.xlsx", test="test.csv").load([tmp_path], 1)
    assert_rows_are_found(rows, pd.concat([pd.read_excel(tmp_path / "train.xlsx"), pd.read_csv(tmp_path / "test.csv")]))


def test_they_stay_through_one_choice_after_another(tmp_path):
    write(table(0, 60), tmp_path / "x.csv")
    rows = FilesConfig(path="x.csv").load([tmp_path], 1)
    some = take(take(rows, np.arange(30, 5, -2)), np.array([3, 1]))
    assert_rows_are_found(some, table(0, 60))


def test_equal_rows_at_other_places_are_not_mistaken_for_each_other_in_the_cache(tmp_path):
    cache, frame = Cache(tmp_path / "cache"), table(1, 40)
    write(frame, tmp_path / "x.csv")
    frame = pd.concat([pd.DataFrame({"text": ["dropped"] * 7}), frame])
    write(frame, tmp_path / "y.csv")
    loaded = [load_rows(FilesConfig(path=name), [tmp_path], 1, cache)[0] for name in ("x.csv", "y.csv", "y.csv")]
    assert len({rows.fingerprint for rows in loaded}) == 1
    assert_rows_are_found(loaded[1], frame)
    assert_rows_are_found(loaded[2], frame)


@pytest.mark.parametrize("settings", [{}, {"labels": 2}, {"phrases": True}, {"phrases": True, "max_rows": 4}])
def test_of_sst_it_is_the_line_and_of_a_phrase_that_of_its_sentence(tmp_path, settings):
    words = ["bad", "dull", "so", "good", "fine"]
    trees = {
        name: [f"({label} (2 {name}) ({label} (2 is) (2 {words[label]})))" for label in labels]
        for name, labels in (("train", [2, 4, 0, 2, 3]), ("dev", [2, 1]), ("test", [2, 2, 4]))
    }
    (tmp_path / "sst").mkdir()
    for name, lines in trees.items():
        (tmp_path / "sst" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    rows = SstConfig(**settings).load([tmp_path], 1)
    sources = [line for lines in trees.values() for line in lines]
    for text, place in zip(rows.texts, rows.in_source(np.arange(len(rows))), strict=True):
        assert text.split()[-1] in sources[place]


@pytest.mark.parametrize("max_rows", [None, 5])
def test_of_imdb_it_is_the_row_of_both_files_or_the_place_of_the_text_file(tmp_path, max_rows):
    parts = [pd.DataFrame({"text": [f"{name} {n}" for n in range(6)], "label": [0, 1] * 3}) for name in "ab"]
    (tmp_path / "imdb").mkdir()
    for frame, name in zip(parts, ("train", "test"), strict=True):
        frame.to_parquet(tmp_path / "imdb" / f"{name}.parquet")
    rows = ImdbConfig(max_rows=max_rows).load([tmp_path], 1)
    places = rows.in_source(np.arange(len(rows)))
    assert pd.concat(parts)["text"].iloc[places].tolist() == list(rows.texts)
    names = [f"{split}/{part}/{n}.txt" for split in ("train", "test") for part in ("neg", "pos") for n in (0, 1)]
    for name in names:
        (tmp_path / "folders" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folders" / name).write_text(name)
    rows = ImdbConfig(path="folders", max_rows=max_rows).load([tmp_path], 1)
    assert [names[place] for place in rows.in_source(np.arange(len(rows)))] == list(rows.texts)


def test_of_a_hub_set_they_count_on_through_its_splits(tmp_path):
    pytest.importorskip("datasets")
    (tmp_path / "set").mkdir()
    parts = {"train": table(1, 20), "validation": table(30, 9), "test": table(50, 9)}
    for name, frame in reversed(parts.items()):
        lines = [json.dumps(row) for row in frame.astype(object).where(frame.notna(), None).to_dict("records")]
        (tmp_path / "set" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    rows = HubConfig(path="set", max_rows=25).load([tmp_path], 1)
    assert_rows_are_found(rows, pd.concat(parts.values()))


def test_of_generated_reviews_it_is_the_order_in_which_they_came():
    rows = SyntheticConfig(rows=60).load((), 1)
    assert rows.in_source(np.arange(60)).tolist() == list(range(60))
