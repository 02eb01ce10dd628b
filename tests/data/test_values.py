"""Cells as texts and labels: one conversion, whatever the cell comes in and whatever it is for."""

import io
import json
import math
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from textune.data import FilesConfig, as_texts, texts_of
from textune.data.values import label_type, parse_label, parse_text, plain_value, typed_label
from textune.errors import DataError
from textune.serve.predict import read_input

LIKE_NUMBERS = [
    "007",
    "4",
    "4.0",
    "1e3",
    "nan",
    "NaN",
    "-0.0",
    "None",
    "true",
    "True",
    " 5 ",
    " ",
    "",
    "+1",
    "1_000",
    "inf",
]
COLUMNS = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "float16": st.floats(width=16),
    "bool_": st.booleans(),
    "string": st.one_of(st.sampled_from(LIKE_NUMBERS), st.text(st.characters(exclude_categories=["C"]), max_size=9)),
    "decimal": st.decimals(-(10**9), 10**9, places=4),
    "date32": st.dates(date(1700, 1, 1), date(2200, 1, 1)),
    "timestamp": st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
}
TYPES = {"decimal": pa.decimal128(20, 4), "timestamp": pa.timestamp("us")}
columns = st.sampled_from(sorted(COLUMNS)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(st.none() | COLUMNS[kind], min_size=4, max_size=20))
)


def array(kind, values):
    return pa.array(values, TYPES.get(kind) or getattr(pa, kind)())


def write(path, kind, values):
    table = pa.table(
        {"text": array(kind, values), "label": ["a", "b"] * (len(values) // 2) + ["a"] * (len(values) % 2)}
    )
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".jsonl":
        rows = [{**row, "text": as_json(row["text"])} for row in table.to_pylist()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps([{**row, "text": as_json(row["text"])} for row in table.to_pylist()]))
    elif path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in (table.column_names, *zip(*table.to_pydict().values(), strict=True)):
            book.active.append([in_excel(cell) for cell in row])
        book.save(path)
    else:
        table.to_pandas().to_csv(path, index=False)


def as_json(value):
    return str(value) if isinstance(value, date | Decimal) else value


def in_excel(value):
    """A cell as a workbook can hold it: no infinite numbers, and no days before 1900."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, date) and value.year < 1901 else value


def trained(path):
    """The texts that a study trains on, by row of the file."""
    try:
        rows = FilesConfig(path=str(path)).load((), 0)
    except DataError as error:
        assert "no usable row" in str(error) or "the one class" in str(error)
        return {}
    return dict(zip(rows.in_source(np.arange(len(rows))).tolist(), rows.texts, strict=True))


@settings(max_examples=40)
@given(columns)
@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet", "xlsx"])
def test_what_is_predicted_of_a_file_is_what_was_trained(tmp_path_factory, ending, column):
    path = tmp_path_factory.mktemp("data") / f"x.{ending}"
    write(path, *column)
    predicted = read_input(str(path), io.BytesIO()).texts
    training = trained(path)
    assert {row: predicted[row] for row in training} == training
    if training:
        assert {predicted[row] for row in range(len(predicted)) if row not in training} <= {""}


@given(columns)
def test_a_csv_file_and_the_frame_that_pandas_reads_of_it_give_the_same_texts(tmp_path_factory, column):
    kind, values = column
    assume(kind not in ("string", "decimal"))  # of texts such as 007 pandas makes other ones
    assume(not any(isinstance(value, int | float) and abs(value) >= 10**6 for value in values))  # nor of 1e+06
    path = tmp_path_factory.getbasetemp() / "pandas.csv"
    write(path, kind, values)
    assert texts_of(pd.read_csv(path)) == read_input(str(path), io.BytesIO()).texts


@given(st.integers(-(10**15), 10**15))
def test_equal_numbers_have_one_name(number):
    same = [number, float(number), Decimal(number), Decimal(number) / 1, np.int64(number), np.float64(number)]
    same += [f"{number}.0", f" {number} ", Decimal(f"{number}.000")]
    same += [np.float32(number)] if float(np.float32(number)) == number and abs(number) < 10**6 else []
    assert {parse_label(each) for each in same} == {str(number)}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_what_their_names_say(number):
    name = parse_label(number)
    assert float(name) == number
    exactly = Decimal(number) if number.is_integer() else Decimal(repr(number))
    assert name == parse_label(exactly) == parse_label(np.float64(number))
    assert parse_label(float(name)) == name


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numbers_of_fewer_bits_are_as_their_own_width_writes_them(number):
    narrow = np.float32(number)
    assert np.float32(parse_label(narrow)) == narrow
    assert float(parse_label(narrow)) == float(str(narrow))


@pytest.mark.parametrize("width", ["float16", "float32"])
def test_a_tenth_is_a_tenth_in_any_width_of_any_file(tmp_path, width):
    table = pa.table({"text": ["a", "b", "c"], "label": pa.array(np.array([0.1, 2, 0.1], width))})
    pq.write_table(table, tmp_path / "x.parquet")
    assert FilesConfig(path="x.parquet").load([tmp_path], 0).classes == ("0.1", "2")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "0"),
        (9007199254740993, "9007199254740993"),
        (1e16, "10000000000000000"),
        (1e-7, "1e-07"),
        (Decimal("1.10"), "1.1"),
        (Decimal("1E+2"), "100"),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (True, "true"),
        (np.bool_(False), "false"),
        (np.str_("a"), "a"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29), "2024-02-29"),
        (pd.Timestamp("2024-02-29"), "2024-02-29"),
        (np.datetime64("2024-02-29"), "2024-02-29"),
        (np.datetime64("2024-02-29T00:00:01", "ns"), "2024-02-29 00:00:01"),
        (pd.Timestamp("2024-02-29 10:30"), "2024-02-29 10:30:00"),
        (datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29 00:00:00+00:00"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        *((text, "4") for text in ("4", "4.0", "4.00")),
        *((text, "true") for text in ("true", "True", "TRUE")),
        *((text, text) for text in ("007", "1e3", "4.50", "tRUE", "None", " 5 ", " 4.0", "Version 4.0", "It is True")),
        *((missing, None) for missing in (None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, Decimal("nan"))),
        *((missing, None) for missing in (np.datetime64("NaT"), "", " ", "nan", "NaN")),
    ],
)
def test_a_cell_has_this_text(value, text):
    assert parse_text(value) == text


@pytest.mark.parametrize(
    "value", [["a"], {"a": 1}, b"a", np.bytes_(b"a"), timedelta(1), np.timedelta64(1, "s"), 1j, object()]
)
def test_what_is_neither_text_nor_number_nor_date_is_refused_with_its_place(value):
    with pytest.raises(DataError, match=r"^row 1 of them holds .*, an? \w+; allowed: text, a number or a date$"):
        as_texts(["a", value], lambda row: f"row {row} of them")


FRAME = {
    "boolean": ([True, False, True], ("false", "true")),
    "integer": ([10, 2, 10], ("2", "10")),
    "float": ([0.5, 2.0, 0.5], ("0.5", "2")),
    "text": (["yes", "no", "yes"], ("no", "yes")),
}


@pytest.mark.parametrize("kind", FRAME)
def test_labels_of_one_frame_have_one_set_of_names_and_one_type_in_every_file(tmp_path, kind):
    labels, classes = FRAME[kind]
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": labels})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.assign(label=[str(label).upper() for label in labels] if kind == "boolean" else labels).to_csv(
        tmp_path / "spreadsheet.csv", index=False
    )
    frame.to_excel(tmp_path / "x.xlsx", index=False)
    frame.to_json(tmp_path / "x.json", orient="records")
    frame.to_json(tmp_path / "x.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "x.parquet")
    frame.astype({"label": object}).assign(label=labels).to_parquet(tmp_path / "y.parquet")
    names = ["x.csv", "spreadsheet.csv", "x.xlsx", "x.json", "x.jsonl", "x.parquet", "y.parquet"]
    for name in names:
        rows = FilesConfig(path=name).load([tmp_path], 0)
        assert (name, rows.classes, rows.label_type) == (name, classes, kind)
    for other in names:
        rows = FilesConfig(train="x.jsonl", valid=other, test="x.csv").load([tmp_path], 0)
        assert (other, rows.classes, rows.label_type) == (other, classes, kind)


@pytest.mark.parametrize(
    ("labels", "kind", "classes"),
    [
        ([1, 1.0, 2], "float", ("1", "2")),
        ([1.0, None, 2.0], "float", ("1", "2")),
        ([1, "2", 1], "text", ("1", "2")),
        (["1", "2"], "text", ("1", "2")),
        (["True", "False"], "text", ("False", "True")),
        ([True, "maybe"], "text", ("maybe", "true")),
        ([True, 0], "text", ("0", "true")),
        ([2**53 + 1, 2**53], "integer", (str(2**53), str(2**53 + 1))),
        ([0.0, -0.0, 1.0], "float", ("0", "1")),
        ([1, None, 2, "nan", ""], "integer", ("1", "2")),
    ],
)
def test_labels_of_json_have_the_type_they_are_written_in(tmp_path, labels, kind, classes):
    lines = [json.dumps({"text": str(row), "label": label}) + "\n" for row, label in enumerate(labels)]
    (tmp_path / "x.jsonl").write_text("".join(lines))
    rows = FilesConfig(path="x.jsonl").load([tmp_path], 0)
    assert (rows.label_type, rows.classes) == (kind, classes)
    typed = [typed_label(name, kind) for name in rows.classes]
    used = [label for label in labels if parse_label(label) is not None]
    assert all(typed[index] == label or kind == "text" for index, label in zip(rows.labels_N, used, strict=True))


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ("1 2 3", "integer"),
        ("1 2.0", "integer"),
        ("0.5 1", "float"),
        ("007 8", "text"),
        ("1e3 2", "text"),
        ("1 two", "text"),
        ("inf 1", "text"),
        ("+1 2", "text"),
        ("1_0 2", "text"),
        ("٣ 2", "text"),
        ("TRUE false", "boolean"),
        ("true 1", "text"),
        ("1.10 1.5", "text"),
        (f"{'9' * 5_000} 1", "text"),
    ],
)
def test_labels_of_csv_which_has_no_types_are_numbers_where_all_are_written_as_numbers_are(tmp_path, labels, kind):
    lines = [f"{row},{label}\n" for row, label in enumerate(labels.split())]
    (tmp_path / "x.csv").write_text("text,label\n" + "".join(lines), encoding="utf-8")
    assert FilesConfig(path="x.csv").load([tmp_path], 0).label_type == kind


@given(
    st.sets(st.one_of(st.text(), st.sampled_from(LIKE_NUMBERS), st.floats(), st.integers(), st.booleans()), min_size=1)
)
def test_a_typed_label_has_the_class_as_its_name(labels):
    try:
        cells = [cell for label in labels if (cell := plain_value(label)) is not None and parse_label(cell) is not None]
    except ValueError:  # half of a character
        return
    names = {parse_label(cell) for cell in cells}
    kind = label_type(names, {type(cell) for cell in cells})
    if kind != "boolean":
        assert {parse_label(typed_label(name, kind)) for name in names} == names or kind == "text"
