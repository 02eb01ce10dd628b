from __future__ import annotations

import os
import sys

import pytest

from textune.data import TEST, TRAIN, VALID, Cache, HubConfig, load_rows
from textune.errors import DataError, MissingDependencyError

datasets = pytest.importorskip("datasets")

CLASSES = ["good", "bad", "awful"]
TABLE = {"text": ["fine", "dull", "dire", "so so"], "label": [0, 1, 2, -1], "hotel": [1, 1, 2, 3]}
FEATURES = {
    "text": datasets.Value("string"),
    "label": datasets.ClassLabel(names=CLASSES),
    "hotel": datasets.Value("int32"),
}


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """Empty ones, so that what this machine has does not matter."""
    datasets.disable_progress_bars()
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


@pytest.fixture
def part():
    return datasets.Dataset.from_dict(TABLE, features=datasets.Features(FEATURES))


@pytest.fixture
def whole(part):
    return datasets.DatasetDict(train=part, validation=part.select([1, 2]), test=part.select([0]), extra=part)


def saved(whole, folder):
    whole.save_to_disk(folder)


def as_parquet(whole, folder):
    folder.mkdir(parents=True)
    for name, rows in whole.items():
        rows.to_parquet(folder / f"{name}-00000-of-00001.parquet")


@pytest.mark.parametrize("write", [saved, as_parquet])
def test_a_folder_gives_rows_by_split_and_classes_by_name(whole, tmp_path, write):
    write(whole, tmp_path / "reviews")
    rows = HubConfig(path="reviews", test="test").load([tmp_path / "nowhere", tmp_path], 1)
    assert list(rows.texts) == ["fine", "dull", "dire", "dull", "dire", "fine"]
    assert rows.classes == tuple(CLASSES)
    assert rows.labels_N.tolist() == [0, 1, 2, 1, 2, 0]
    assert rows.split_N.tolist() == [TRAIN] * 3 + [VALID] * 2 + [TEST]
    assert rows.sources == (str(tmp_path / "reviews"),)
    unlabelled = f"no label (first: {tmp_path / 'reviews'}, split 'train', row 4)"
    others = (
        {"split 'extra' is none of train, valid and test": 4} if write is saved else {}
    )  # the library drops the file
    assert rows.skipped == {unlabelled: 1, **others}


def test_equal_texts_are_one_group_if_the_texts_group_the_rows(whole, tmp_path):
    saved(whole, tmp_path / "reviews")
    assert HubConfig(path="reviews").keeping_equal_texts_together.startswith("set data.group: text")
    config = HubConfig(path="reviews", group="text")
    assert config.load([tmp_path], 1).groups_N.tolist() == [0, 1, 2, 1, 2, 0]
    assert not config.keeping_equal_texts_together
    several = HubConfig(path="reviews", text=["text", "hotel"])
    assert several.keeping_equal_texts_together.startswith("set data.group: [text, hotel]")
    config = HubConfig(path="reviews", text=["text", "hotel"], group=["text", "hotel"])
    assert config.load([tmp_path], 1).groups_N.tolist() == [0, 1, 2, 1, 2, 0]


def test_rows_of_one_split_all_train(part, tmp_path):
    part.save_to_disk(tmp_path / "reviews")
    rows = HubConfig(path="reviews", group="hotel").load([tmp_path], 1)
    assert rows.split_N.tolist() == [TRAIN] * 3
    assert rows.groups_N.tolist() == [0, 0, 1]


def test_splits_and_columns_are_those_that_are_named(whole, tmp_path):
    whole.rename_column("text", "body").save_to_disk(tmp_path / "reviews")
    settings = {"train": "extra", "valid": "train", "text": ["body", "hotel"]}
    rows = HubConfig(path="reviews", **settings).load([tmp_path], 1)
    assert list(rows.texts) == ["fine 1", "dull 1", "dire 2"] * 2 + ["fine 1"]
    assert rows.split_N.tolist() == [TRAIN] * 3 + [VALID] * 3 + [TEST]
    with pytest.raises(DataError, match=r"has no column 'txt'.*set data.text to one of: 'body', 'label', 'hotel'"):
        HubConfig(path="reviews", text="txt").load([tmp_path], 1)
    with pytest.raises(
        DataError, match=r"has no split 'dev'; set data.valid to one of: train, validation, test, extra"
    ):
        HubConfig(path="reviews", text="body", valid="dev").load([tmp_path], 1)


def test_labels_without_names_are_in_the_order_of_files(tmp_path):
    rows = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [10, 9, 10]})
    rows.save_to_disk(tmp_path / "reviews")
    assert HubConfig(path="reviews").load([tmp_path], 1).classes == ("9", "10")


@pytest.mark.parametrize("width", ["float16", "float32", "float64"])
def test_labels_of_any_width_have_the_names_and_the_type_that_files_give_them(tmp_path, width):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.Value(width)})
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0.1, 2]}, features).save_to_disk(tmp_path / "reviews")
    rows = HubConfig(path="reviews").load([tmp_path], 1)
    assert (rows.classes, rows.label_type) == (("0.1", "2"), "float")


def test_a_set_that_was_downloaded_is_found_by_its_name(whole, tmp_path):
    place = tmp_path / "HF_HUB_CACHE" / "datasets--we--reviews"
    as_parquet(whole, place / "snapshots" / "abc")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    assert HubConfig(path="we/reviews").find([tmp_path]) == (str(place / "snapshots" / "abc"),)
    assert len(HubConfig(path="we/reviews").load([tmp_path], 1)) == 6
    with pytest.raises(DataError, match="there is no data set"):
        HubConfig(path="we/reviews", revision="def").find([tmp_path])


def test_a_set_that_the_library_has_loaded_is_found_by_its_name(whole, tmp_path):
    as_parquet(whole, tmp_path / "own")
    datasets.load_dataset(str(tmp_path / "own"), cache_dir=str(tmp_path / "made"))
    (made,) = (tmp_path / "made" / "own").glob("*/*/*/")
    place = tmp_path / "HF_DATASETS_CACHE" / "we___my_reviews" / "default" / "0.0.0" / "abc"
    place.parent.mkdir(parents=True)
    made.rename(place)
    config = HubConfig(path="we/MyReviews")
    assert config.find([tmp_path]) == (str(place),)
    assert list(config.load([tmp_path], 1).texts) == ["fine", "dull", "dire", "dull", "dire", "fine"]
    with pytest.raises(DataError, match="there is no data set"):
        HubConfig(path="we/MyReviews", subset="other").find([tmp_path])


def test_of_several_configurations_one_has_to_be_named(tmp_path):
    for name in ("de", "en"):
        folder = tmp_path / "HF_DATASETS_CACHE" / "we___reviews" / name / "0.0.0" / "abc"
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text("{}")
    with pytest.raises(DataError, match=r"holds de, en; set data\.subset to the one that is meant"):
        HubConfig(path="we/reviews").find([tmp_path])
    assert "/en/" in HubConfig(path="we/reviews", subset="en").find([tmp_path])[0]


@pytest.mark.parametrize("name", ["we/nothing", "a b", "x" * 300, "a\0b", "../../x", "we/../x"])
def test_a_set_that_is_not_there_says_the_ways_to_get_it(name, tmp_path):
    with pytest.raises(DataError, match=r"hf download --repo-type dataset.*HF_HUB_CACHE or HF_DATASETS_CACHE") as error:
        HubConfig(path=name).find([tmp_path])
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_name_a_file_and_a_folder_of_something_else_are_sentences(tmp_path):
    with pytest.raises(DataError, match=r"set data\.path"):
        HubConfig().find([tmp_path])
    (tmp_path / "x.csv").write_text("text,label")
    with pytest.raises(DataError, match="is a file; data kind 'files' reads it"):
        HubConfig(path="x.csv").find([tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be read as a data set"):
        HubConfig(path="empty").load([tmp_path], 1)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dataset_dict.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as a data set"):
        HubConfig(path="broken").load([tmp_path], 1)


def test_rows_are_read_once(whole, tmp_path, monkeypatch):
    whole.save_to_disk(tmp_path / "reviews")
    config, cache = HubConfig(path="reviews"), Cache(tmp_path / "cache")
    for path in (tmp_path / "reviews", *(tmp_path / "reviews").rglob("*")):
        os.utime(path, (1, 1))  # what changed a moment ago is read again
    rows, _ = load_rows(config, [tmp_path], 1, cache)
    monkeypatch.setattr("textune.data.hub._splits", None)
    again, _ = load_rows(config, [tmp_path], 1, cache)
    assert list(again.texts) == list(rows.texts)


def test_without_the_library_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'textune\[hub\]'"):
        HubConfig(path="we/reviews").find([tmp_path])
