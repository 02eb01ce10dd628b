"""Files of every format and compression, and folders of texts, as people have them."""

import bz2
import datetime
import gzip
import io
import json
import lzma
import sys
import zipfile

import fsspec
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textune.data import TEST, TRAIN, UNASSIGNED, CommandReading, FilesConfig, Reading, read_table
from textune.errors import DataError, MissingDependencyError

ROWS = [{"text": "schön, sehr", "label": "pos"}, {"text": 'a "bad"\none', "label": "neg"}]


def write_workbook(path, sheets):
    """Writes rows of cells by the name of their sheet."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def columns(path, reading=Reading()):  # noqa: B008
    read = read_table(str(path), None, reading)
    return {name: list(values) for name, values in read.columns.items()}


TABLE = {"text": ["schön, sehr", 'a "bad"\none'], "label": ["pos", "neg"]}


class TestJson:
    @pytest.mark.parametrize(
        "document",
        [
            ROWS,
            {"data": ROWS},
            {"version": 1, "meta": {"by": "us"}, "rows": ROWS, "tags": ["a"]},
            TABLE,
            {name: dict(enumerate(values)) for name, values in TABLE.items()},
        ],
    )
    @pytest.mark.parametrize("indent", [None, 2])
    def test_of_every_shape_gives_the_same_rows(self, tmp_path, document, indent):
        (tmp_path / "x.json").write_text(json.dumps(document, indent=indent))
        assert columns(tmp_path / "x.json") == TABLE
        assert FilesConfig(path="x.json").load([tmp_path], 0).classes == ("neg", "pos")

    @pytest.mark.parametrize("orient", ["columns", "records"])
    def test_as_pandas_writes_it_is_read(self, tmp_path, orient):
        pd.DataFrame(ROWS).to_json(tmp_path / "x.json", orient=orient)
        assert columns(tmp_path / "x.json") == TABLE

    def test_may_be_one_object_a_line(self, tmp_path):
        (tmp_path / "x.json").write_text("\ufeff" + "".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
        assert columns(tmp_path / "x.json") == TABLE
        (tmp_path / "x.json").write_text(json.dumps(ROWS[0]))
        assert columns(tmp_path / "x.json") == {"text": TABLE["text"][:1], "label": ["pos"]}

    def test_may_be_one_line_longer_than_any_text(self, tmp_path, monkeypatch):
        monkeypatch.setattr("textune.data.content.LONGEST_LINE", 20)
        (tmp_path / "x.json").write_text(json.dumps(ROWS))
        assert columns(tmp_path / "x.json") == TABLE

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("", r"x\.json is empty$"),
            ("[]", r"x\.json is empty$"),
            ('[{"text": "a"}, 5]', "row 2 is not an object; write objects"),
            ('[{"text": "a"}', r"x\.json is not JSON: .*line 1 column 15.*; write an array of objects"),
            ("[" * 100_000, r"x\.json is not JSON: .*; write an array of objects"),
            ('"text"', "contains no array of objects; write"),
            ('{"a": [1, 2], "b": [1]}', "contains no array of objects; write"),
            ('{"train": [{"a": 1}], "test": [{"a": 1}]}', "several arrays of objects: 'train', 'test'; write a file"),
        ],
    )
    def test_that_is_no_table_is_refused(self, tmp_path, content, words):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(DataError, match=words):
            read_table(str(tmp_path / "x.json"))


class TestWorkbooks:
    def test_give_the_rows_of_their_only_sheet(self, tmp_path):
        day = datetime.datetime(2024, 2, 1)
        header = ["text", None, "label", "stars", "day", "ok"]
        rows = [[], header, ["schön", None, "pos", 5, day, True], [], [2.5, None, "neg", None, "2024-02-02", False]]
        write_workbook(tmp_path / "x.xlsx", {"Notes": [], "Data": rows})
        read = read_table(str(tmp_path / "x.xlsx"))
        assert read.names == ("text", "column2", "label", "stars", "day", "ok")
        assert read.where(1) == f"{tmp_path}/x.xlsx, row 5"
        assert list(read.columns["text"]) == ["schön", 2.5]
        assert list(read.columns["stars"]) == [5, None]
        assert list(read.columns["ok"]) == [True, False]
        assert FilesConfig(path="x.xlsx").load([tmp_path], 0).texts == ["schön", "2.5"]
        dates = FilesConfig(path="x.xlsx", date="day").load([tmp_path], 0).dates_N
        assert [str(each) for each in dates] == ["2024-02-01", "2024-02-02"]

    def test_of_several_sheets_want_one_to_be_named(self, tmp_path):
        write_workbook(tmp_path / "x.xlsx", {name: [["text", "label"], [name, 1], ["b", 2]] for name in ("One", "Two")})
        with pytest.raises(DataError, match=r"several sheets; set data.sheet to one of: 'One', 'Two'"):
            FilesConfig(path="x.xlsx").load([tmp_path], 0)
        assert FilesConfig(path="x.xlsx", sheet="Two").load([tmp_path], 0).texts == ["Two", "b"]
        with pytest.raises(DataError, match=r"no sheet 'Tow'; did you mean 'Two'\?"):
            FilesConfig(path="x.xlsx", sheet="Tow").load([tmp_path], 0)

    def test_to_be_predicted_may_have_another_sheet_than_those_of_the_study(self, tmp_path):
        write_workbook(tmp_path / "x.xlsx", {"New": [["text"], ["a"]]})
        assert columns(tmp_path / "x.xlsx", CommandReading(sheet="Data")) == {"text": ["a"]}

    def test_may_have_no_header(self, tmp_path):
        write_workbook(tmp_path / "x.xlsx", {"Data": [["a", 1], ["b", 2]]})
        assert columns(tmp_path / "x.xlsx", Reading(header=False)) == {"column1": ["a", "b"], "column2": [1, 2]}
        names = Reading(header=False, columns=("text", "label"))
        assert columns(tmp_path / "x.xlsx", names) == {"text": ["a", "b"], "label": [1, 2]}

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"PK", "is damaged, or is not an xlsx file"),
            (zipped({"a.txt": "x"}), "is damaged, or is not an xlsx file"),
        ],
    )
    def test_that_are_none_are_refused(self, tmp_path, content, words):
        (tmp_path / "x.xlsx").write_bytes(content)
        with pytest.raises(DataError, match=words):
            read_table(str(tmp_path / "x.xlsx"))

    def test_name_the_package_that_reads_them(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "openpyxl", None)
        with pytest.raises(MissingDependencyError, match=r"x\.xlsx needs the package 'openpyxl'.*textune\[excel\]"):
            read_table(str(tmp_path / "x.xlsx"))

    def test_without_rows_are_refused(self, tmp_path):
        write_workbook(tmp_path / "x.xlsx", {"Data": []})
        with pytest.raises(DataError, match=r"x\.xlsx is empty$"):
            read_table(str(tmp_path / "x.xlsx"))
        write_workbook(tmp_path / "x.xlsx", {"Data": [["text", "label"]]})
        with pytest.raises(DataError, match=r"x\.xlsx has a header and no rows$"):
            read_table(str(tmp_path / "x.xlsx"))


CSV = b"text,label\ngood,pos\nbad,neg\n"
PACKED = {
    ".gz": gzip.compress(CSV),
    ".bz2": bz2.compress(CSV),
    ".xz": lzma.compress(CSV),
    ".zip": zipped({"x.csv": CSV, "__MACOSX/._x.csv": b"\0", "empty/": b""}),
}


class TestCompressed:
    @pytest.mark.parametrize("ending", PACKED)
    def test_files_are_read(self, tmp_path, ending):
        (tmp_path / f"x.csv{ending}").write_bytes(PACKED[ending])
        assert FilesConfig(path=f"x.csv{ending}").load([tmp_path], 0).texts == ["good", "bad"]

    @pytest.mark.parametrize("ending", PACKED)
    def test_files_that_are_damaged_are_refused(self, tmp_path, ending):
        for content in (PACKED[ending][: len(PACKED[ending]) // 2], CSV):
            (tmp_path / f"x.csv{ending}").write_bytes(content)
            with pytest.raises(DataError, match=rf"x\.csv\{ending} is damaged, or is no .* file"):
                FilesConfig(path=f"x.csv{ending}").load([tmp_path], 0)

    @pytest.mark.parametrize("ending", PACKED)
    def test_files_are_read_up_to_their_limit(self, tmp_path, ending):
        (tmp_path / f"x.csv{ending}").write_bytes(PACKED[ending])
        assert len(FilesConfig(path=f"x.csv{ending}", max_bytes=len(CSV)).load([tmp_path], 0)) == 2
        with pytest.raises(DataError, match=rf"more than {len(CSV) - 1} bytes once it is decompressed; if"):
            FilesConfig(path=f"x.csv{ending}", max_bytes=len(CSV) - 1).load([tmp_path], 0)

    def test_archives_tell_the_format_by_the_file_in_them(self, tmp_path):
        (tmp_path / "x.zip").write_bytes(zipped({"folder/x.json": json.dumps(ROWS)}))
        assert columns(tmp_path / "x.zip") == TABLE

    @pytest.mark.parametrize(
        ("members", "words"),
        [
            ({}, "contains no file"),
            ({"a.csv": CSV, "b.csv": CSV}, r"contains 2 files \('a.csv', 'b.csv'\); unpack it, and name the one"),
            ({"x.csv.gz": CSV}, "has an ending that is not known"),
        ],
    )
    def test_archives_that_are_not_of_one_table_are_refused(self, tmp_path, members, words):
        (tmp_path / "x.zip").write_bytes(zipped(members))
        with pytest.raises(DataError, match=words):
            read_table(str(tmp_path / "x.zip"))

    @pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zip"])
    def test_workbooks_and_parquet_are_read(self, tmp_path, ending):
        write_workbook(tmp_path / "x.xlsx", {"Data": [["text", "label"], ["a", "b"]]})
        pq.write_table(pa.table({"text": ["a"], "label": ["b"]}), tmp_path / "x.parquet")
        pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
        for name in ("x.xlsx", "x.parquet"):
            content = (tmp_path / name).read_bytes()
            packed = pack[ending](content) if ending in pack else zipped({name: content})
            (tmp_path / f"{name}{ending}").write_bytes(packed)
            assert columns(tmp_path / f"{name}{ending}") == {"text": ["a"], "label": ["b"]}

    def test_archives_at_a_url_are_read_or_refused(self):
        with fsspec.open("memory://box/x.zip", "wb") as file:
            file.write(PACKED[".zip"])
        assert columns("memory://box/x.zip") == {"text": ["good", "bad"], "label": ["pos", "neg"]}
        with fsspec.open("memory://box/y.zip", "wb") as file:
            file.write(CSV)
        with pytest.raises(DataError, match=r"y\.zip is damaged, or is no zip file"):
            read_table("memory://box/y.zip")

    def test_archives_that_can_only_be_read_in_one_go_are_refused(self, tmp_path, monkeypatch):
        (tmp_path / "x.zip").write_bytes(PACKED[".zip"])
        monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda _: (_ for _ in ()).throw(ValueError("cannot seek")))
        with pytest.raises(DataError, match=r"x\.zip cannot be read: cannot seek"):
            read_table(str(tmp_path / "x.zip"))


class TestFolders:
    def write(self, folder, **files):
        for name, content in files.items():
            path = folder / (name.replace("__", "/") + ".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, newline="")
        return folder

    def test_of_a_text_a_file_take_their_labels_from_folders(self, tmp_path):
        folder = self.write(tmp_path / "r", pos__1="very\r\ngood\n", pos__2="fine", neg__1="bad", neg__deep__2="worse")
        (folder / "neg" / "notes.md").write_text("not a text")
        (folder / ".cache").mkdir()
        (folder / ".cache" / "x.txt").write_text("hidden")
        rows = FilesConfig(path="r").load([tmp_path], 0)
        assert rows.texts == ["bad", "worse", "very\ngood\n", "fine"]
        assert [rows.classes[label] for label in rows.labels_N] == ["neg", "neg", "pos", "pos"]
        assert set(rows.split_N.tolist()) == {UNASSIGNED}

    def test_take_the_split_from_folders_and_leave_out_what_has_no_label(self, tmp_path):
        files = {
            f"{part}__{label}__{n}": f"{part} {label} {n}"
            for part in ("train", "test")
            for label in ("pos", "neg")
            for n in (1, 2)
        }
        self.write(
            tmp_path / "aclImdb", **files, train__unsup__1="unlabelled", README="about", train__urls_pos="http://"
        )
        rows = FilesConfig(path="aclImdb/").load([tmp_path], 0)
        assert rows.classes == ("neg", "pos")
        assert (rows.split_N == TRAIN).sum() == (rows.split_N == TEST).sum() == 4
        assert sum(rows.skipped.values()) == 3

    def test_of_a_text_a_line_take_their_labels_from_files(self, tmp_path):
        self.write(tmp_path / "r", pos="good\nfine\n\n", neg="bad\r\nworse")
        with pytest.raises(DataError, match=r"no folder that names a label; .* set data.format to lines"):
            FilesConfig(path="r").load([tmp_path], 0)
        rows = FilesConfig(path="r", format="lines").load([tmp_path], 0)
        assert rows.texts == ["bad", "worse", "good", "fine"]
        assert [rows.classes[label] for label in rows.labels_N] == ["neg", "neg", "pos", "pos"]

    def test_named_by_numbers_alone_are_texts(self, tmp_path):
        for label in ("alt.atheism", "sci.space"):
            (tmp_path / "news" / label).mkdir(parents=True)
            (tmp_path / "news" / label / "10234").write_text(f"about {label}")
        assert FilesConfig(path="news").load([tmp_path], 0).classes == ("alt.atheism", "sci.space")

    def test_to_be_predicted_need_no_labels(self, tmp_path):
        self.write(tmp_path / "new", b="second\nline", a="first")
        assert columns(tmp_path / "new") == {
            "text": ["first", "second\nline"],
            "label": [None] * 2,
            "file": ["a.txt", "b.txt"],
        }

    def test_are_read_up_to_their_limit_and_name_the_file_that_is_not_text(self, tmp_path):
        self.write(tmp_path / "r", pos__1="good", neg__1="bad")
        with pytest.raises(DataError, match="holds more than 6 bytes"):
            FilesConfig(path="r", max_bytes=6).load([tmp_path], 0)
        (tmp_path / "r" / "pos" / "1.txt").write_bytes(b"caf\xe9 au lait")
        with pytest.raises(DataError, match=r"r/pos/1\.txt, line 1 is not utf-8"):
            FilesConfig(path="r").load([tmp_path], 0)

    def test_without_texts_are_refused(self, tmp_path):
        with pytest.raises(DataError, match=r"is a folder without \.txt files; give a file, or"):
            FilesConfig(path=".").load([tmp_path], 0)


class TestTheFormat:
    def test_may_be_named_where_the_ending_tells_none_or_another(self, tmp_path):
        for name in ("SMSSpamCollection", "x.txt", "x.jsonl"):
            (tmp_path / name).write_text("ham\tsee you; then\nspam\tfree\n")
            config = FilesConfig(path=name, format="tsv", header=False, text="column2", label="column1")
            assert config.load([tmp_path], 0).texts == ["see you; then", "free"]

    def test_that_is_not_known_is_refused_with_the_ways_out(self, tmp_path):
        (tmp_path / "x.doc").write_text("a")
        with pytest.raises(DataError, match=r"not known; allowed: \.csv, .*, \.zip; rename it, or set data\.format to"):
            FilesConfig(path="x.doc").load([tmp_path], 0)

    def test_of_the_study_does_not_hold_for_files_to_be_predicted_whose_ending_tells_it(self, tmp_path):
        (tmp_path / "x.csv").write_text("text\na\n")
        (tmp_path / "SMS").write_text("text\na\n")
        reading = CommandReading(format="tsv")
        assert columns(tmp_path / "x.csv", reading) == columns(tmp_path / "SMS", reading) == {"text": ["a"]}


def test_a_parquet_file_that_has_other_rows_than_it_says_is_refused(tmp_path):
    pq.write_table(pa.table({"text": ["a", "b", "c"] * 40}), tmp_path / "x.parquet", row_group_size=50)
    content = (tmp_path / "x.parquet").read_bytes()
    metadata, footer = (
        content[-8 - int.from_bytes(content[-8:-4], "little") :],
        b"\x16\xf0\x01",
    )  # 120, as Thrift has it
    (tmp_path / "x.parquet").write_bytes(content[: -len(metadata)] + metadata.replace(footer, b"\x16\xf2\x01", 1))
    with pytest.raises(DataError, match=r"is damaged, .*: it says that it has 121 rows, and has 120"):
        read_table(str(tmp_path / "x.parquet"))


def test_a_parquet_column_that_is_there_twice_matters_only_where_it_is_used(tmp_path):
    names = ["text", "label", "text", "x", "x"]
    table = pa.Table.from_arrays([pa.array([f"{name}{place}"]) for place, name in enumerate(names)], names=names)
    pq.write_table(table, tmp_path / "x.parquet")
    read = read_table(str(tmp_path / "x.parquet"))
    cells = {name: values[0] for name, values in read.columns.items()}
    assert cells == {"text": "text0", "label": "label1", "text (3)": "text2", "x": "x3", "x (5)": "x4"}
    with pytest.raises(DataError, match="several columns named 'text'"):
        FilesConfig(path="x.parquet").load([tmp_path], 0)
