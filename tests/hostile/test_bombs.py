"""Files made to fill the memory: refused in a sentence, while little more than the limit is in memory."""

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import openpyxl
import pytest

READ = """
import json, sys
from pathlib import Path
from textune.data import FilesConfig
from textune.errors import DataError
from textune.memory import status_bytes
from textune.serve.predict import read_input
import openpyxl, pyarrow.parquet
FilesConfig(path="small.csv").load([Path(sys.argv[1])], 0)
Path("/proc/self/clear_refs").write_text("5")  # the peak starts here, not with that of the parent; see proc(5)
before = status_bytes("VmRSS")
try:
    if sys.argv[4] == "predict":
        said = len(read_input(str(Path(sys.argv[1]) / sys.argv[2]), sys.stdin.buffer).texts)
    else:
        said = len(FilesConfig(path=sys.argv[2], max_bytes=int(sys.argv[3])).load([Path(sys.argv[1])], 0))
except DataError as error:
    said = str(error)
print(json.dumps([said, status_bytes("VmHWM") - before]))
"""
MB = 10**6

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell the peak")


def read(folder, name, max_bytes, way="run"):
    """Returns what was said of a file, or its number of rows, and the memory that reading it took, in bytes."""
    (folder / "small.csv").write_text("text,label\na,b\nc,d\n")
    command = [sys.executable, "-c", READ, str(folder), name, str(max_bytes), way]
    said, memory = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return said, memory


def bomb(path, *, start=b"", unit=b"\0" * MB, times=1_000):
    """Writes a gzip file of many times the same, in little time and memory."""
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as file:
        file.write(packer.compress(start))
        for _ in range(times):
            file.write(packer.compress(unit))
        file.write(packer.flush())


@pytest.mark.parametrize(
    ("name", "start", "unit", "times"),
    [
        ("zeros.csv.gz", b"", b"\0" * MB, 1_000),
        ("rows.csv.gz", b"text,label\n", b"a text,label\n" * (MB // 13), 100),
        ("line.csv.gz", b"text,label\n", b"x" * MB, 100),
        ("line.jsonl.gz", b"", b"x" * MB, 100),
    ],
)
def test_a_gigabyte_in_a_megabyte(tmp_path, name, start, unit, times):
    bomb(tmp_path / name, start=start, unit=unit, times=times)
    assert (tmp_path / name).stat().st_size < times * MB / 200
    said, memory = read(tmp_path, name, 10 * MB)
    assert f"{name} holds more than 10,000,000 bytes once it is decompressed; " in said
    assert "raise data.max_bytes" in said
    assert memory < (150 if "rows" in name else 60) * MB, "rows of two short fields take ten times their bytes"


@pytest.mark.parametrize("way", ["run", "predict"])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_rows_take_at_most_three_times_their_file(tmp_path, ending, way):
    """As `benchmarks/reading_memory.py` has it for a million rows."""
    path = tmp_path / f"rows.{ending}"
    rows = [(f"{number} {'some words of a review ' * 4}", f"class {number % 5}") for number in range(60_000)]
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n" if ending == "csv" else "")
        for text, label in rows:
            file.write((f"{text},{label}" if ending == "csv" else json.dumps({"text": text, "label": label})) + "\n")
    num_rows, memory = read(tmp_path, path.name, 10**9, way)
    assert num_rows == len(rows)
    assert memory < 3 * path.stat().st_size + 4 * MB  # some buffers do not grow with the file


def test_a_line_without_end_is_refused_whatever_the_limit(tmp_path):
    bomb(tmp_path / "x.csv.gz", start=b"text,label\n", unit=b"x" * MB, times=100)
    said, memory = read(tmp_path, "x.csv.gz", 10**12)
    assert "x.csv.gz, line 2 is longer than 67,108,864 characters" in said
    assert memory < 300 * MB


def test_a_file_of_one_line(tmp_path):
    with (tmp_path / "x.csv").open("wb") as file:
        file.write(b"text,label\n")
        for _ in range(200):
            file.write(b"x" * MB)
    said, memory = read(tmp_path, "x.csv", 10 * MB)
    assert "x.csv holds more than 10,000,000 bytes; if that is right, raise data.max_bytes" in said
    assert memory < 100 * MB
    said, memory = read(tmp_path, "x.csv", 10**10)
    assert "line 2 is longer than 67,108,864 characters" in said
    assert memory < 300 * MB


def test_a_parquet_file_that_expands(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    # a thousand rows of one text of a megabyte: kept once in the file
    table = pa.table({"text": pa.array(["x" * MB] * 1_000).dictionary_encode(), "label": [0, 1] * 500})
    pq.write_table(table.cast(pa.schema([("text", pa.string()), ("label", pa.int64())])), tmp_path / "x.parquet")
    said, memory = read(tmp_path, "x.parquet", 10 * MB)
    assert "x.parquet holds more than 10,000,000 bytes" in said
    assert memory < 100 * MB


def test_a_gzip_file_in_a_gzip_file_is_no_table(tmp_path):
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(gzip.compress(b"text,label\na,b\n")))
    said, _ = read(tmp_path, "x.csv.gz", 10 * MB)
    assert "is not utf-8" in said or "NUL bytes" in said


@pytest.mark.parametrize("ending", ["bz2", "xz", "zip"])
def test_of_every_compression_no_more_than_the_limit_is_in_memory(tmp_path, ending):
    path, content = tmp_path / f"x.csv.{ending}", b"\0" * 200 * MB
    if ending == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.csv", content)
    else:
        path.write_bytes({"bz2": bz2.compress, "xz": lambda each: lzma.compress(each, preset=0)}[ending](content))
    assert path.stat().st_size < MB
    said, memory = read(tmp_path, path.name, 10 * MB)
    assert f"{path.name} holds more than 10,000,000 bytes once it is decompressed; " in said
    assert memory < 60 * MB


SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    '<row r="1"><c r="A1" t="inlineStr"><is><t>text</t></is></c><c r="B1" t="inlineStr"><is><t>label</t></is></c></row>'
    "{rows}</sheetData></worksheet>"
)
ROW = '<row r="{0}"><c r="A{0}" t="s"><v>0</v></c><c r="B{0}"><v>{1}</v></c></row>'


SHARED = (
    '<Override PartName="/xl/sharedStrings.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml" />'
)


def workbook(folder, rows, shared=""):
    """Writes an xlsx file whose sheet and shared texts are as given, as Excel has them and the library does not."""
    openpyxl.Workbook().save(folder / "plain.xlsx")
    xml = f'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>{shared}</t></si></sst>'
    with (
        zipfile.ZipFile(folder / "plain.xlsx") as plain,
        zipfile.ZipFile(folder / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for member in plain.namelist():
            content = plain.read(member)
            if member.endswith("sheet1.xml"):
                content = SHEET.format(rows=rows).encode()
            elif member == "[Content_Types].xml":
                content = content.replace(b"</Types>", SHARED.encode() + b"</Types>")
            archive.writestr(member, content)
        archive.writestr("xl/sharedStrings.xml", xml)


class TestAWorkbook:
    def test_that_is_as_it_should_be_is_read(self, tmp_path):
        workbook(tmp_path, ROW.format(2, 0) + ROW.format(3, 1), "a text")
        assert read(tmp_path, "x.xlsx", 10 * MB)[0] == 2

    def test_that_expands_is_refused_before_it_is_parsed(self, tmp_path):
        workbook(tmp_path, ROW.format(2, 0), "x" * 100 * MB)
        said, memory = read(tmp_path, "x.xlsx", 10 * MB)
        assert "x.xlsx holds more than 10,000,000 bytes once it is decompressed" in said
        assert memory < 60 * MB

    def test_whose_rows_share_a_long_text_is_refused(self, tmp_path):
        workbook(tmp_path, "".join(ROW.format(row, row % 2) for row in range(2, 1_000)), "x" * MB)
        said, memory = read(tmp_path, "x.xlsx", 10 * MB)
        assert "x.xlsx holds more than 10,000,000 bytes of values" in said
        assert memory < 60 * MB

    def test_with_rows_far_away_is_refused(self, tmp_path):
        workbook(tmp_path, ROW.format(2, 0) + ROW.format(10**12, 1), "a text")
        assert "says that a sheet has more than 1,048,576 rows" in read(tmp_path, "x.xlsx", 10 * MB)[0]
