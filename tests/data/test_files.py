from __future__ import annotations

import csv
import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from textune.data import TEST, TRAIN, UNASSIGNED, VALID, FilesConfig
from textune.data.values import class_order
from textune.errors import DataError

ROWS = [
    {"text": "Good, very good", "label": "pos", "day": "2024-01-31", "hotel": "a"},
    {"text": 'He said "no"\nand left', "label": "neg", "day": "2024-02-01", "hotel": "b"},
    {"text": "a line end that is none:\x85here\u2028and here", "label": "pos", "day": "2024-02-02", "hotel": "a"},
    {"text": "tab\there", "label": "neg", "day": "2024-02-03", "hotel": ""},
    {"text": "  blanks kept ", "label": " neg ", "day": "2024-02-04T10:00:00+02:00", "hotel": ""},
]


def write(path: Path, rows: list[dict]) -> None:
    """Writes rows in the format the path's ending names."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if plain.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), plain)
    elif plain.suffix == ".jsonl":
        plain.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), newline="")
    else:
        with plain.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if plain.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    if plain != path:
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()


@pytest.mark.parametrize("zipped", ["", ".gz"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_rows(tmp_path, ending, zipped):
    write(tmp_path / f"reviews.{ending}{zipped}", ROWS)
    rows = FilesConfig(path=f"reviews.{ending}{zipped}", date="day", group="hotel").load([tmp_path], 0)
    assert rows.texts == [row["text"] for row in ROWS]
    assert rows.classes == ("neg", "pos")
    assert rows.labels_N.tolist() == [1, 0, 1, 0, 0]
    assert rows.dates_N.tolist() == [date(2024, 1, 31), *(date(2024, 2, day) for day in (1, 2, 3, 4))]
    assert rows.groups_N[0] == rows.groups_N[2]
    assert len(set(rows.groups_N.tolist())) == 4, "rows without a group stand alone"
    assert rows.split_N.tolist() == [UNASSIGNED] * 5
    assert rows.sources == (str(tmp_path / f"reviews.{ending}{zipped}"),)
    write(tmp_path / "same.csv", ROWS)
    same = FilesConfig(path="same.csv", date="day", group="hotel").load([tmp_path], 0)
    assert rows.fingerprint == same.fingerprint, "equal content has an equal fingerprint, however it is stored"


def test_the_first_folder_that_has_the_file_is_read(tmp_path):
    for name in ("study", "data"):
        (tmp_path / name).mkdir()
    write(tmp_path / "data" / "x.csv", ROWS)
    folders = [tmp_path / "study", tmp_path / "data"]
    assert FilesConfig(path="x.csv").load(folders, 0).sources == (str(tmp_path / "data" / "x.csv"),)
    write(tmp_path / "study" / "x.csv", ROWS[:2])
    assert FilesConfig(path="x.csv").find(folders) == (str(tmp_path / "study" / "x.csv"),)


def test_separate_files_give_the_split(tmp_path):
    for name, rows in (("train", ROWS), ("valid", ROWS[:2]), ("test", ROWS[2:4])):
        write(tmp_path / f"{name}.jsonl", rows)
    rows = FilesConfig(train="train.jsonl", valid="valid.jsonl", test="test.jsonl").load([tmp_path], 0)
    assert rows.split_N.tolist() == [TRAIN] * 5 + [VALID] * 2 + [TEST] * 2


@pytest.mark.parametrize(("column", "named"), [("split", None), ("part", "part")])
def test_a_split_column_is_read(tmp_path, column, named):
    words = ["train", "dev", "TEST", "", "validation"]
    write(tmp_path / "x.csv", [{**row, column: word} for row, word in zip(ROWS, words, strict=True)])
    rows = FilesConfig(path="x.csv", split=named).load([tmp_path], 0)
    assert rows.split_N.tolist() == [TRAIN, VALID, TEST, UNASSIGNED, VALID]


def test_an_unnamed_split_column_that_means_something_else_is_ignored(tmp_path):
    write(tmp_path / "x.csv", [{**row, "split": "banana"} for row in ROWS])
    assert FilesConfig(path="x.csv").load([tmp_path], 0).split_N.tolist() == [UNASSIGNED] * 5
    with pytest.raises(DataError, match=r"line 2: column 'split' holds 'banana'; allowed: train, valid, test"):
        FilesConfig(path="x.csv", split="split").load([tmp_path], 0)


def test_number_labels_have_one_name_in_every_format(tmp_path):
    write(tmp_path / "x.parquet", [{"text": "t", "label": label} for label in (10.0, 2.0, None, 0.5)])
    (tmp_path / "x.csv").write_text("text,label\nt,10\nt,2.0\nt,\nt,0.5\n")
    for name in ("x.parquet", "x.csv"):
        rows = FilesConfig(path=name).load([tmp_path], 0)
        assert rows.classes == ("0.5", "2", "10")
        assert rows.labels_N.tolist() == [2, 1, 0]


def test_classes_are_sorted_as_a_person_would():
    assert class_order({"10", "9", "-1"}) == ("-1", "9", "10")
    assert class_order({"star 10", "star 9", "Star 1", "none"}) == ("none", "Star 1", "star 9", "star 10")
    assert class_order({"a1", f"a{'1' * 5_000}", "a02", "b"}) == ("a1", "a02", f"a{'1' * 5_000}", "b")


@given(
    st.lists(st.one_of(st.text(), st.sampled_from(["NAN", "-nan", "inf", "1_0", "1e999", "7", "٣", "²"])), unique=True)
)
def test_classes_have_one_order(labels):
    assert class_order(labels) == class_order(labels[::-1])
    assert sorted(class_order(labels)) == sorted(labels)


def test_rows_without_text_or_label_are_skipped_and_counted(tmp_path):
    (tmp_path / "x.csv").write_text('text,label\ngood,pos\n"",pos\nnan,neg\nbad,neg\n  ,neg\nodd,\n\nworse,neg\n')
    rows = FilesConfig(path="x.csv").load([tmp_path], 0)
    assert rows.texts == ["good", "bad", "worse"]
    assert rows.skipped == {
        f"no text (first: {tmp_path}/x.csv, line 3)": 3,
        f"no label (first: {tmp_path}/x.csv, line 7)": 1,
    }


def test_bytes_that_are_no_text_are_refused_or_replaced_and_counted(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"text,label,note\ngood,pos,\nb\xe9d \xff,neg,\nfine,pos,\xe9\nodd,n\xe9g,\n")
    with pytest.raises(DataError, match=r"line 3 is not utf-8.*or set data\.encoding_errors to replace"):
        FilesConfig(path="x.csv").load([tmp_path], 0)
    rows = FilesConfig(path="x.csv", encoding_errors="replace").load([tmp_path], 0)
    assert rows.texts == ["good", "b\ufffdd \ufffd", "fine", "odd"]
    assert rows.classes == ("neg", "n\ufffdg", "pos")
    assert rows.changed == {f"what is no text became U+FFFD (first: {tmp_path}/x.csv, line 3)": 2}
    (tmp_path / "y.jsonl").write_text('{"text": "\\ud83d", "label": 1}\n{"text": "\ufffd", "label": 2}\n')
    rows = FilesConfig(path="y.jsonl", encoding_errors="replace").load([tmp_path], 0)
    assert rows.texts == ["\ufffd", "\ufffd"]
    assert list(rows.changed.values()) == [1], "U+FFFD that stood there is no change"


def test_nan_in_jsonl_and_parquet_is_no_text(tmp_path):
    (tmp_path / "x.jsonl").write_text(
        '{"text": NaN, "label": 1}\n{"text": "a", "label": 1}\n{"text": "b", "label": 2}\n'
    )
    write(tmp_path / "x.parquet", [{"text": None, "label": 1}, {"text": "a", "label": 1}, {"text": "b", "label": 2}])
    for name in ("x.jsonl", "x.parquet"):
        rows = FilesConfig(path=name).load([tmp_path], 0)
        assert rows.texts == ["a", "b"]
        assert list(rows.skipped.values()) == [1]


GOOD = "text,label\ngood,pos\nbad,neg\n"


@pytest.mark.parametrize(
    ("name", "content", "settings", "sentence"),
    [
        ("x.csv", b"", {}, r"x\.csv is empty$"),
        ("x.csv", b"\n \n", {}, r"x\.csv is empty$"),
        ("x.csv", b"text,label\n", {}, r"x\.csv has a header and no rows$"),
        (
            "x.csv",
            b"texts,label\na,b\n",
            {},
            r"has no column 'text'; did you mean 'texts'\?; set data\.text to one of: 'texts', 'label'",
        ),
        ("x.csv", GOOD, {"label": "rating"}, r"has no column 'rating'; set data\.label to one of: 'text', 'label'"),
        ("x.csv", GOOD, {"date": "day"}, r"has no column 'day'; set data\.date to"),
        (
            "x.csv",
            GOOD.replace(",", ";"),
            {},
            r"has one column, 'text;label', which looks like several; set data\.delimiter to ';'",
        ),
        (
            "x.csv",
            "text,label\ngut,pos\nschön,neg\n".encode("cp1252"),
            {},
            r"line 3 is not utf-8: byte 0xf6 at offset 22",
        ),
        ("x.csv", GOOD.encode("utf-16"), {}, r"line 1 is not utf-8.* set data\.encoding to utf-16"),
        ("x.csv", b"text,label\na,pos\nb,pos\n", {}, r"column 'label' holds the one class 'pos' in 2 rows"),
        (
            "x.csv",
            b"text,label\na,\nb,\n",
            {},
            r"has no usable row: 2 with no label .*line 2.*check columns 'text' and 'label'",
        ),
        (
            "x.csv",
            b"text,label\na,pos\nb,c,neg\n",
            {},
            r"line 3 has 3 fields where the header has 2; put texts that hold a comma",
        ),
        ("x.csv", b'text,label\na,pos\n"b,neg\nc,pos\n', {}, r"line 3 is not well-formed: .*data\.quotes"),
        ("x.csv", b"text,label,text\na,pos,b\n", {}, r"several columns named 'text'"),
        (
            "x.csv",
            b"text,label,day\na,p,2024-01-01\nb,n,1/2/24\n",
            {"date": "day"},
            r"line 3: column 'day' holds '1/2/24', which",
        ),
        (
            "x.jsonl",
            b'{"text": "a", "label": 1}\n{"text": \n',
            {},
            r"line 2 is not JSON: .*; write one object per line",
        ),
        ("x.jsonl", b'{"text": "a", "label": 1}\n[1]\n', {}, r"line 2 is not an object"),
        (
            "x.jsonl",
            b'{"text": ["a"], "label": 1}\n',
            {},
            r"line 1: column 'text' holds \['a'\], a list; allowed: text, a number or a date",
        ),
        (
            "x.jsonl",
            b'{"text": "\\ud800", "label": 1}\n',
            {},
            r"line 1: column 'text' holds .*half of a surrogate pair",
        ),
        ("x.jsonl", b'{"text": ' + b"[" * 990 + b"]" * 990 + b', "label": 1}\n', {}, r"line 1"),
        ("x.jsonl", b'{"text": "a", "label": 1, "\\ud800": 2}\n', {}, r"line 1 names a column with half"),
        ("x.jsonl", b'{"text": "a", "label": ' + b"9" * 5_000 + b"}\n", {}, r"line 1 is not JSON"),
        ("x.csv", b"t\0e\0x\0t\0,\0l\0\n\0a\0,\0b\0\n\0", {}, r"NUL bytes in its header; .*such as utf-16"),
        ("x.csv", b"\xef\xbb\xbf", {}, r"x\.csv is empty$"),
        ("x.parquet", b"PAR1 and nothing else", {}, r"x\.parquet is damaged, or is no parquet file"),
        ("x.csv.gz", b"text,label\n", {}, r"x\.csv\.gz is damaged, or is no gzip file"),
        ("x.doc", b"PK", {}, r"x\.doc has an ending that is not known; allowed: \.csv, \.tsv, \.json, \.jsonl"),
    ],
)
def test_broken_data_ends_in_one_sentence(tmp_path, name, content, settings, sentence):
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=sentence) as caught:
        FilesConfig(path=name, **settings).load([tmp_path], 0)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_column_of_ids_is_no_label(tmp_path):
    (tmp_path / "x.csv").write_text("text,label\n" + "".join(f"t,{number}\n" for number in range(150)))
    with pytest.raises(DataError, match="150 different values in 150 rows, too many for classes"):
        FilesConfig(path="x.csv").load([tmp_path], 0)


def test_a_missing_file_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=f"no file 'x.csv'; looked in {tmp_path};.* TEXTUNE_DATA"):
        FilesConfig(path="x.csv").load([tmp_path], 0)
    with pytest.raises(DataError, match=r"set data\.path"):
        FilesConfig().find([tmp_path])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"path": "a.csv", "train": "b.csv"}, "'path' or 'train', not both"),
        ({"test": "b.csv"}, "need 'train' beside them"),
        ({"path": "a.csv", "encoding": "uft-8"}, "'uft-8' is no text encoding"),
        ({"path": "a.csv", "encoding": "rot13"}, "'rot13' is no text encoding"),
        ({"path": "a.csv", "encoding": "unicode_escape"}, "'unicode_escape' is no text encoding"),
        ({"path": "a.csv", "encoding": "utf-8\0"}, "is no text encoding"),
    ],
)
def test_settings_that_contradict_are_refused(settings, sentence):
    with pytest.raises(ValidationError, match=sentence):
        FilesConfig(**settings)


def test_a_byte_order_mark_another_encoding_and_another_delimiter_are_read(tmp_path):
    (tmp_path / "bom.csv").write_text(GOOD, encoding="utf-8-sig")
    (tmp_path / "old.csv").write_text("text;label\nschön;pos\nöde;neg\n", encoding="cp1252")
    assert FilesConfig(path="bom.csv").load([tmp_path], 0).texts == ["good", "bad"]
    assert FilesConfig(path="old.csv", encoding="cp1252", delimiter=";").load([tmp_path], 0).texts == ["schön", "öde"]


def test_odd_characters_stay_in_texts_and_end_no_row(tmp_path):
    odd = [
        "nul \0 here",
        "\u202eright to left",
        "\x1b[31mred",
        "nel\x85",
        "ls\u2028ps\u2029",
        "bell\x07\x7f\x9b",
        "\ufeffbom",
    ]
    lines = "\r\n".join(f"{text},{text} {number % 2}" for number, text in enumerate(odd))
    (tmp_path / "x.csv").write_text(f"\ufefftext,label\n{lines}\nmixed,line\r\nend,line\ners,line", newline="")
    rows = FilesConfig(path="x.csv").load([tmp_path], 0)
    assert rows.texts == [*odd, "mixed", "end", "ers"]
    assert set(rows.classes) == {"line", *(f"{text} {number % 2}" for number, text in enumerate(odd))}


def test_quotes_can_be_plain_text(tmp_path):
    (tmp_path / "x.tsv").write_text('text\tlabel\n"good\tpos\n"bad\tneg\n')
    assert FilesConfig(path="x.tsv", quotes=False).load([tmp_path], 0).texts == ['"good', '"bad']


def test_long_texts_are_read(tmp_path):
    (tmp_path / "x.csv").write_text(f"text,label\n{'a' * 200_000},pos\nb,neg\n")
    assert len(FilesConfig(path="x.csv").load([tmp_path], 0).texts[0]) == 200_000


def test_a_url_is_read_and_its_credentials_are_told_to_nobody():
    url = "memory://me:secret@box/reviews.csv?token=secret"
    with fsspec.open(url, "w") as file:
        file.write(GOOD)
    rows = FilesConfig(path=url).load([], 0)
    assert rows.texts == ["good", "bad"]
    assert "secret" not in repr(rows)
    with pytest.raises(DataError, match="cannot be read") as caught:
        FilesConfig(path="nowhere://me:secret@box/x.csv?token=secret").load([], 0)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@settings(deadline=None)
@given(
    counts=st.lists(st.tuples(st.sampled_from(["train", "test"]), st.integers(0, 3)), min_size=30, max_size=200),
    max_rows=st.integers(8, 60),
    seed=st.integers(0, 9),
)
def test_max_rows_keeps_the_shares_of_splits_and_labels(tmp_path_factory, counts, max_rows, seed):
    labels = [f"c{label}" for _, label in counts]
    if len(set(labels)) < 2:
        return
    path = tmp_path_factory.mktemp("max_rows") / "x.jsonl"
    write(path, [{"text": f"t{row}", "label": label, "split": split} for row, (split, label) in enumerate(counts)])
    whole = FilesConfig(path=str(path)).load([], seed)
    rows = FilesConfig(path=str(path), max_rows=max_rows).load([], seed)
    assert len(rows) == min(max_rows, len(whole))
    assert len(set(rows.texts)) == len(rows)
    assert rows.texts == sorted(rows.texts, key=lambda text: int(text[1:])), "order is kept"
    for stratum in {*zip(whole.split_N.tolist(), whole.labels_N.tolist(), strict=True)}:
        many = np.sum((whole.split_N == stratum[0]) & (whole.labels_N == stratum[1]))
        kept = np.sum((rows.split_N == stratum[0]) & (rows.labels_N == stratum[1]))
        assert abs(kept - many * len(rows) / len(whole)) <= 1
    assert rows.fingerprint == FilesConfig(path=str(path), max_rows=max_rows).load([], seed).fingerprint
    assert (rows.fingerprint == whole.fingerprint) == (len(rows) == len(whole))


def test_groups_may_be_days_and_exact_numbers_and_what_names_no_split_is_passed_over(tmp_path):
    days = [date(2024, 1, day) for day in (1, 1, 2, 2)]
    columns = {"text": list("abcd"), "label": ["x", "y", "x", "y"], "day": days, "split": [{"a": 1}] * 4}
    columns["price"] = [Decimal("1.5"), Decimal("1.5"), Decimal("2.5"), Decimal("2.5")]
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    for group in ("day", "price"):
        groups_N = FilesConfig(path="x.parquet", group=group).load([tmp_path], 0).groups_N
        assert groups_N[0] == groups_N[1] != groups_N[2] == groups_N[3]
    with pytest.raises(DataError, match="allowed: train, valid, test"):
        FilesConfig(path="x.parquet", split="split").load([tmp_path], 0)


def test_max_rows_keeps_groups_whole(tmp_path):
    write(tmp_path / "x.csv", [{"text": "t", "label": row % 2, "hotel": row // 5} for row in range(200)])
    rows = FilesConfig(path="x.csv", group="hotel", max_rows=63).load([tmp_path], 0)
    assert 53 <= len(rows) <= 63
    assert set(np.unique(rows.groups_N, return_counts=True)[1].tolist()) == {5}
    with pytest.raises(DataError, match=r"data\.max_rows is 4, and no group"):
        FilesConfig(path="x.csv", group="hotel", max_rows=4).load([tmp_path], 0)


def test_rows_may_be_grouped_by_several_columns(tmp_path):
    rows = [
        {"title": "good", "text": "film", "label": "x"},
        {"title": "good", "text": "book", "label": "y"},
        {"title": "good", "text": "film", "label": "x"},
        {"title": "", "text": "film", "label": "y"},
        {"title": "", "text": "film", "label": "y"},
    ]
    write(tmp_path / "x.csv", rows)
    columns = ["title", "text"]
    assert FilesConfig(path="x.csv", text=columns).keeping_equal_texts_together == (
        "set data.group: [title, text] to keep equal texts in one part"
    )
    groups_N = FilesConfig(path="x.csv", text=columns, group=columns).load([tmp_path], 0).groups_N
    assert groups_N.tolist() == [0, 1, 0, 2, 2]
    alone_N = FilesConfig(path="x.csv", group="title").load([tmp_path], 0).groups_N
    assert alone_N.tolist() == [0, 0, 0, 1, 2], "rows without a group stand alone"
