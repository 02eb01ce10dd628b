"""Frames as people have them: only the columns that are used matter, and errors name the frame and its row."""

import uuid
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from textune.data import STORED, TEST, TRAIN, Cache, FilesConfig, frame_as_table, load_rows, stored_lines, texts_of
from textune.errors import DataError

ROWS = [{"text": "good", "label": 1}, {"text": None, "label": 0}, {"text": "bad", "label": 0}]
COLUMNS = {name: [row[name] for row in ROWS] for name in ("text", "label")}
FRAMES = {
    "pandas": pd.DataFrame(ROWS),
    "pandas with types of its own": pd.DataFrame(ROWS).convert_dtypes(),
    "pandas with types of Arrow": pd.DataFrame(ROWS).convert_dtypes(dtype_backend="pyarrow"),
    "pandas with categories": pd.DataFrame(ROWS).astype("category"),
    "pandas with rows of many names": pd.DataFrame(ROWS, index=pd.MultiIndex.from_tuples([(0, 1), (0, 1), (1, 1)])),
    "polars": pl.DataFrame(ROWS),
    "polars, not computed yet": pl.LazyFrame(ROWS),
    "polars with categories": pl.DataFrame(ROWS).with_columns(pl.col("text").cast(pl.Categorical)),
    "Arrow": pa.Table.from_pylist(ROWS),
    "a batch of Arrow": pa.RecordBatch.from_pylist(ROWS),
    "rows": ROWS,
    "rows with gaps": [ROWS[0], {"label": 0}, ROWS[2]],
    "a generator of rows": None,
    "columns": COLUMNS,
    "columns of arrays": {"text": np.array(COLUMNS["text"], object), "label": np.array(COLUMNS["label"], np.uint8)},
    "columns of Series": {"text": pl.Series(COLUMNS["text"]), "label": pd.Series(COLUMNS["label"])},
}


def stored(frame, tmp_path, **settings):
    """Rows of a frame as a study gets them: through the cache."""
    config = FilesConfig(path=str(tmp_path / STORED), **settings)
    table = frame_as_table(frame, config.wanted, () if config.split else ("split",))
    (tmp_path / STORED).write_bytes(b"".join(stored_lines(table)))
    return config.load((), 0)


@pytest.mark.parametrize("kind", FRAMES)
def test_of_every_library_gives_the_same_rows_and_texts(tmp_path, kind):
    def frame():
        return iter(ROWS) if FRAMES[kind] is None else FRAMES[kind]

    rows = stored(frame(), tmp_path)
    assert (rows.texts, rows.classes, rows.labels_N.tolist()) == (["good", "bad"], ("0", "1"), [1, 0])
    assert (rows.label_type, rows.in_source(np.arange(2)).tolist()) == ("integer", [0, 2])
    assert texts_of(frame()) == ["good", "", "bad"]


class Odd:
    def __repr__(self):
        raise AssertionError("nobody asked")


UNUSED = {
    "objects": lambda: [Odd(), Odd(), Odd()],
    "bytes": lambda: [b"\xff", None, b""],
    "durations": lambda: pd.to_timedelta([1, 2, 3]),
    "lists": lambda: [[[1], []], None, ["a"]],
    "dicts": lambda: [{"a": {1, 2}}, None, {}],
    "periods": lambda: pd.period_range("2024-01", periods=3, freq="M"),
    "intervals": lambda: pd.interval_range(0, 3),
    "complex": lambda: [1j, 2j, 3j],
    "half characters": lambda: ["\ud800"] * 3,
    "huge": lambda: [10**5_000] * 3,
    "split": lambda: [[1], [2], [3]],
}


@pytest.mark.parametrize("kind", UNUSED)
def test_what_other_columns_hold_does_not_matter(tmp_path, kind):
    frame = pd.DataFrame(ROWS)
    values = UNUSED[kind]()
    frame[kind] = pd.Series(values, index=frame.index, dtype=object if isinstance(values, list) else None)
    assert stored(frame, tmp_path).texts == ["good", "bad"]
    assert texts_of(frame) == ["good", "", "bad"]


def test_what_other_columns_are_called_does_not_matter(tmp_path):
    frame = pd.DataFrame([["good", 1, 2, 3, 4], ["bad", 0, 2, 3, 4]], columns=["text", "label", "x", "x", 7])
    assert stored(frame, tmp_path).texts == ["good", "bad"]
    several = pd.DataFrame({("text", ""): ["good", "bad"], ("label", ""): [1, 0]})
    assert texts_of(several, [str(("text", ""))]) == ["good", "bad"]
    twice = pa.table([["good", "bad"], [1, 0], [1, 0]], names=["text", "label", "label"])
    assert texts_of(twice) == ["good", "bad"]
    with pytest.raises(DataError, match=r"^the Arrow table has several columns named 'label'; rename one of them$"):
        stored(twice, tmp_path)


def test_polars_with_lists_and_bytes_and_every_type_of_group_and_day(tmp_path):
    frame = pl.DataFrame(
        {
            "text": ["good", "bad", "good"],
            "label": pl.Series([0.1, 2, 2], dtype=pl.Float32),
            "day": [date(2024, 1, 1), None, date(2024, 1, 3)],
            "group": [Decimal("1.0"), Decimal(2), Decimal(1)],
            "tags": [["a"], [], None],
            "raw": [b"\xff", None, b""],
        }
    )
    rows = stored(frame, tmp_path, date="day", group="group")
    assert (rows.classes, rows.label_type) == (("0.1", "2"), "float")
    assert rows.groups_N.tolist() == [0, 0]
    assert [str(day) for day in rows.dates_N] == ["2024-01-01", "2024-01-03"]


@pytest.mark.parametrize("width", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("make", [pd.Series, pl.Series, pa.array, np.array, list])
def test_a_tenth_is_a_tenth_in_any_width_of_any_library(make, width):
    values = make(np.array([0.1, 2], width))
    assert texts_of(values) == ["0.1", "2"]
    assert texts_of({"text": values}) == ["0.1", "2"]


def test_days_are_those_of_the_frames_own_time_zone(tmp_path):
    days = pd.to_datetime(["2024-02-01", "2024-03-01"]).tz_localize("Europe/Berlin")
    rows = stored(pd.DataFrame({"text": ["a", "b"], "label": [0, 1], "day": days}), tmp_path, date="day")
    assert [str(day) for day in rows.dates_N] == ["2024-02-01", "2024-03-01"]


def test_dates_are_dates_whatever_format_texts_would_have(tmp_path):
    days = [date(2024, 2, 1), pd.Timestamp("2024-03-04 05:06:07"), pd.NaT]
    rows = stored({**COLUMNS, "text": days, "day": days}, tmp_path, date="day", date_format="%d.%m.%Y")
    assert [str(day) for day in rows.dates_N] == ["2024-02-01", "2024-03-04"]
    assert rows.texts == texts_of(days)[:2] == ["2024-02-01", "2024-03-04 05:06:07"]


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (pd.DataFrame(ROWS)[:0], "^the DataFrame has no rows$"),
        (pl.DataFrame(), "^the DataFrame has no rows$"),
        (
            [],
            "^data is a list; pass a pandas or polars DataFrame, an Arrow table, a list of dicts or a dict of lists",
        ),
        ({}, "^the dict of columns has no rows$"),
        ("x.csv", "^data is a str; pass .* or set data.path in the study to a file$"),
        (np.ones((3, 2)), "^data is a ndarray; pass"),
        ([["good", 1]], "^data is a list; pass"),
        (["good"], "^data is a list; pass"),
        ([*ROWS, "good"], "^the list of rows, row 3 is a str; make every row a dict$"),
        ({**COLUMNS, "label": [1]}, "^the dict of columns has 3 rows, and 1 in column 'label'$"),
        ({**COLUMNS, "label": "abc"}, "^the dict of columns, column 'label' is a str; make it a list of values$"),
        ({**COLUMNS, "label": 1}, "^the dict of columns, column 'label' is an int; make it a list of values$"),
        ({**COLUMNS, "text": np.ones((3, 2))}, "^the dict of columns, column 'text' has 2 dimensions; pass one with"),
        (
            pd.DataFrame({"text": ["a", ["b"]], "label": [0, 1]}),
            r"^the DataFrame, row 1: column 'text' holds \['b'\], a",
        ),
        (
            pl.DataFrame({"text": [b"a"], "label": [0]}),
            "^the DataFrame, row 0: column 'text' holds b'a', a bytes; allow",
        ),
        (pd.DataFrame({"text": ["a", "b"], "label": [1, Odd]}), "^the DataFrame, row 1: column 'label' holds <class"),
        (
            pd.DataFrame({"text": ["a", "b"], "label": pd.to_timedelta([1, 2])}),
            "^the DataFrame, row 0: column 'label' h",
        ),
        (pd.DataFrame({"text": ["a", "b"], "label": [0, 10**5_000]}), "^the DataFrame, row 1: column 'label' holds a"),
        (pd.DataFrame({"text": ["a", "\ud800"], "label": [0, 1]}, dtype=object), "^the DataFrame, row 1: .* half of a"),
        (pd.DataFrame({"texts": ["a"], "label": [0]}), "^the DataFrame has no column 'text'; did you mean 'texts'"),
        (pa.table({"label": [0]}), "^the Arrow table has no column 'text'; set data.text to one of: 'label'$"),
        ({"text": ["a", "b"], "label": [0, 0]}, "^the dict of columns: column 'label' holds the one class '0'"),
        (
            {"text": [None, "b"], "label": [0, None]},
            "^the dict of columns has no usable row: 1 with no text .first: the d",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_the_name_of_the_frame(tmp_path, frame, sentence):
    with pytest.raises(DataError, match=sentence) as error:
        stored(frame, tmp_path)
    assert str(tmp_path) not in str(error.value)


def test_a_half_character_is_replaced_where_the_study_says_so(tmp_path):
    frame = pd.DataFrame({"text": ["a\ud800", "b"], "label": [0, 1]}, dtype=object)
    rows = stored(frame, tmp_path, encoding_errors="replace")
    assert rows.texts == ["a\ufffd", "b"]
    assert rows.changed == {"what is no text became U+FFFD (first: the DataFrame, row 0)": 1}


def test_the_rows_of_a_frame_are_kept_in_the_cache_as_those_of_files(tmp_path):
    stored(ROWS, tmp_path)
    rows, files = load_rows(FilesConfig(path=str(tmp_path / STORED)), (), 0, Cache(tmp_path / "cache"))
    assert rows.sources == ("the list of rows",)
    assert [identity[0] for identity in files] == [str(tmp_path / STORED)]
    assert not isinstance(rows.texts, list), "every process would parse the frame again"


@pytest.mark.parametrize("content", [None, b"", b"\0" * 100])
def test_a_frame_that_is_no_longer_in_the_cache_is_asked_for(tmp_path, content):
    if content is not None:
        (tmp_path / STORED).write_bytes(content)
    with pytest.raises(
        DataError, match=r"^the frame that the study reads is no longer in the cache; call textune\.run"
    ):
        FilesConfig(path=str(tmp_path / STORED)).load((), 0)


TEXTS = ["good", "", "bad"]


@pytest.mark.parametrize(
    "given",
    [
        ["good", None, "bad"],
        ("good", float("nan"), "bad"),
        iter(["good", None, "bad"]),
        (text for text in ["good", None, "bad"]),
        dict.fromkeys(["good", "", "bad"]).keys(),
        np.array(["good", "", "bad"]),
        np.array(["good", None, "bad"], object),
        pd.Series(["good", None, "bad"], index=[2, 1, 0]),
        pd.Series(["good", None, "bad"], dtype="category"),
        pd.Index(["good", None, "bad"]),
        pl.Series(["good", None, "bad"]),
        pa.array(["good", None, "bad"]),
        pa.chunked_array([["good", None], ["bad"]]),
        pd.DataFrame({"words": ["good", None, "bad"]}),
        pd.DataFrame({"id": [1, 2, 3], "review": ["good", None, "bad"], "text": ["no"] * 3}),
        pl.DataFrame({"id": [1, 2, 3], "text": ["good", None, "bad"]}),
        [{"review": "good"}, {}, {"review": "bad"}],
        iter([{"review": "good"}, {}, {"review": "bad"}]),
        {"review": ["good", None, "bad"]},
    ],
    ids=lambda given: type(given).__name__,
)
def test_texts_are_taken_from_whatever_has_them(given):
    if isinstance(given, type({}.keys())):
        given = iter(given)
    assert texts_of(given, ("review", "text")) == TEXTS


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("good", r"^a list of texts is predicted, and one text was given; put it into a list: \[text\]$"),
        (b"good", "put it into a list"),
        (bytearray(b"good"), "put it into a list"),
        (memoryview(b"good"), "put it into a list"),
        (Path("x.csv"), "put it into a list"),
        (
            {"good", "bad"},
            "^a set cannot be predicted; pass a list or Series of texts, or a pandas or polars DataFrame",
        ),
        (None, "^a NoneType cannot be predicted"),
        (7, "^an int cannot be predicted"),
        (np.array("good"), "^the array has 0 dimensions; pass one with a single value a row$"),
        (np.array([["good"]]), "^the array has 2 dimensions"),
        (["good", ["bad"]], r"^row 1 of the texts holds \['bad'\], a list; allowed: text, a number or a date$"),
        ([timedelta(1)], "^row 0 of the texts holds .*, a timedelta"),
        (pl.Series([b"good"]), "^row 0 of the texts holds b'good', a bytes"),
        (
            pd.DataFrame({"id": [1], "reviews": ["good"]}),
            "^the DataFrame has no column 'review'; did you mean 'reviews'.; pass the column of the texts alone, one",
        ),
        (pl.DataFrame({"id": [1], "review": [["a"]]}), r"^the DataFrame, row 0: column 'review' holds \['a'\], a list"),
        (
            pd.DataFrame([["a", "b"]], columns=["review", "review"]),
            "^the DataFrame has several columns named 'review'; ren",
        ),
        ({"id": [1], "day": [2]}, "^the dict of columns has no column 'review'"),
        ({"review": "good"}, "^the dict of columns, column 'review' is a str; make it a list of values$"),
        ([{"id": 1, "day": 2}], "^the list of rows has no column 'review'"),
    ],
)
def test_what_are_no_texts_is_refused_with_what_to_pass(given, sentence):
    with pytest.raises(DataError, match=sentence):
        texts_of(given, ("review", "text"))


def test_nothing_is_predicted_of_nothing():
    assert texts_of([]) == texts_of(pd.DataFrame({"text": []})) == texts_of(pl.DataFrame()) == []


def test_a_column_that_says_split_divides_a_frame_too(tmp_path):
    frame = pl.DataFrame({**COLUMNS, "split": ["train", None, "test"], "part": [[1], [2], [3]]})
    assert stored(frame, tmp_path).split_N.tolist() == [TRAIN, TEST]
    with pytest.raises(DataError, match=r"^the DataFrame, row 0: column 'part' holds \[1\], a list"):
        stored(frame, tmp_path, split="part")


def test_ids_of_any_kind_are_groups(tmp_path):
    ids = [uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=1)]
    rows = stored({"text": ["a", "b", "c"], "label": [0, 1, 1], "hotel": ids}, tmp_path, group="hotel")
    assert rows.groups_N.tolist() == [0, 1, 0]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_several_columns_are_joined_for_training_and_prediction_alike(tmp_path, make):
    frame = make({"title": ["Good", None, None], "body": [1, 2, None], "label": [1, 0, 1]})
    rows = stored(frame, tmp_path, text=("title", "body"), separator=": ")
    assert rows.texts == ["Good: 1", "2"]
    assert texts_of(frame, [("title", "body")], ": ") == ["Good: 1", "2", ""]
