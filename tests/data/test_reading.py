"""What a file may hold: never more than is allowed, and nothing but text."""

from __future__ import annotations

import gzip
import io

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textune.data import CommandReading, FilesConfig, ImdbConfig, Reading, SstConfig, read_bytes, read_table
from textune.data.content import lines
from textune.errors import DataError

GOOD = b"text,label\ngood,pos\nbad,neg\n"


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.jsonl", "x.jsonl.gz"])
def test_a_file_is_read_up_to_its_limit_and_not_one_byte_more(tmp_path, name):
    content = GOOD if "csv" in name else b'{"text": "a", "label": 1}\n{"text": "b", "label": 2}\n'
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert len(FilesConfig(path=name, max_bytes=len(content)).load([tmp_path], 0)) == 2
    with pytest.raises(DataError, match=rf"{name} holds more than {len(content) - 1} bytes.*raise data\.max_bytes"):
        FilesConfig(path=name, max_bytes=len(content) - 1).load([tmp_path], 0)


def test_the_limit_holds_for_urls_and_other_readers(tmp_path):
    with fsspec.open("memory://box/x.csv", "wb") as file:
        file.write(GOOD)
    with pytest.raises(DataError, match="holds more than 10 bytes; divide it into smaller files"):
        read_bytes("memory://box/x.csv", CommandReading(max_bytes=10))
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.txt").write_text("(3 (2 Good) (2 fun))\n")
    with pytest.raises(DataError, match=r"train\.txt holds more than 20 bytes"):
        SstConfig(path=".", max_bytes=20).load([tmp_path], 0)
    for part in ("train/pos", "train/neg", "test/pos", "test/neg"):
        (tmp_path / part).mkdir(parents=True)
        for number in range(3):
            (tmp_path / part / f"{number}.txt").write_text("x" * 10)
    assert len(ImdbConfig(path=".", max_bytes=60).load([tmp_path], 0)) == 12
    with pytest.raises(DataError, match=r"train holds more than 59 bytes; if that is right, raise data\.max_bytes"):
        ImdbConfig(path=".", max_bytes=59).load([tmp_path], 0)


@pytest.mark.parametrize("content", [{"text": ["x" * 1_000] * 10_000}, {"text": [f"{n:>1000}" for n in range(10_000)]}])
@pytest.mark.parametrize("plain_schema", [True, False])
def test_parquet_that_expands_is_refused(tmp_path, content, plain_schema):
    table = pa.table({**content, "label": [0, 1] * 5_000})
    pq.write_table(table, tmp_path / "x.parquet", compression="zstd", store_schema=plain_schema)
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    assert len(FilesConfig(path="x.parquet").load([tmp_path], 0)) == 10_000
    with pytest.raises(DataError, match=r"holds more than 1,000,000 bytes .*raise data\.max_bytes"):
        FilesConfig(path="x.parquet", max_bytes=1_000_000).load([tmp_path], 0)


def test_parquet_keeps_equal_texts_and_missing_ones_in_their_rows(tmp_path):
    texts = [None, "b", "a", "b", None, "ä"] * 3_000
    pq.write_table(pa.table({"text": texts}), tmp_path / "x.parquet", row_group_size=5_000)
    assert read_table(str(tmp_path / "x.parquet")).columns["text"] == texts


def test_parquet_of_invalid_text_is_refused_or_mended(tmp_path):
    texts = pa.array([b"fine", b"caf\xe9", b"fine too"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": texts, "label": [0, 1, 1]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet, row 1 or one of the next .*not utf-8 .*encoding_errors"):
        FilesConfig(path="x.parquet").load([tmp_path], 0)
    rows = FilesConfig(path="x.parquet", encoding_errors="replace").load([tmp_path], 0)
    assert rows.texts == ["fine", "caf\ufffd", "fine too"]
    assert list(rows.changed.values()) == [1]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_a_line_too_long_for_a_text_is_refused(tmp_path, monkeypatch, ending):
    monkeypatch.setattr("textune.data.content.LONGEST_LINE", 1_000)
    (tmp_path / f"x.{ending}").write_text("text\n" + "x" * 1_001)
    with pytest.raises(
        DataError, match=r"line 2 is longer than 1,000 characters" if ending != "jsonl" else "line 1 is"
    ):
        read_table(str(tmp_path / f"x.{ending}"))


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("textune.data.tables.delimited.LONGEST_LINE", 1_000)
    (tmp_path / "x.csv").write_text('text,label\n"never closed,pos\n' + "a text,neg\n" * 1_000)
    with pytest.raises(DataError, match=r"line 2 is not well-formed: .*; no text is that long; is the quote closed"):
        read_table(str(tmp_path / "x.csv"))


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_columns_without_end_are_refused(tmp_path, name):
    columns = [f"c{number}" for number in range(10_001)]
    (tmp_path / name).write_text(
        ",".join(columns) + "\n" if name == "x.csv" else "".join(f'{{"{column}": 1}}\n' for column in columns)
    )
    with pytest.raises(DataError, match=r"more than 10,000 columns"):
        read_table(str(tmp_path / name))


ENCODINGS = ["utf-8", "utf-16", "utf-16-le", "utf-32", "cp1252", "shift_jis", "gb18030", "utf-7"]


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5),
    st.sampled_from(ENCODINGS),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_lines_are_those_that_python_reads(tmp_path_factory, texts, encoding, newline):
    content = newline.join(texts).encode(encoding, errors="ignore")
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(content)
    given = list(lines(str(path), Reading(encoding=encoding), newline=""))
    text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    assert given == list(io.StringIO(text, newline=""))


@given(st.binary(max_size=60), st.integers(0, 3_000_000))
def test_the_first_byte_that_is_no_text_is_named(tmp_path_factory, content, before):
    content = b"ab\n" * (before // 3) + content
    path = tmp_path_factory.getbasetemp() / "bytes.txt"
    path.write_bytes(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + len(content) - len(error.object)  # the decoder has taken a byte-order mark off
        number = content.count(b"\n", 0, start) + 1
        place = f"line {number} is not utf-8: byte 0x{content[start]:02x} at offset {start};"
        with pytest.raises(DataError) as caught:
            list(lines(str(path), CommandReading(), newline="\n"))
        assert place in str(caught.value)
        assert "data." not in str(caught.value), "only a study has settings"
        replaced = "".join(lines(str(path), Reading(encoding_errors="replace"), newline="\n"))
        assert replaced.replace("\udcff", "\ufffd") == content.decode("utf-8-sig", errors="replace")
    else:
        assert "".join(lines(str(path), Reading(), newline="\n")) == text
