"""csv and tsv files as people have them: no header, unnamed columns, columns twice, delimiters at the end."""

import pytest
from pydantic import ValidationError

from textune.data import CommandReading, FilesConfig, Reading, read_table
from textune.errors import DataError


def table(folder, content, wanted=None, **settings):
    (folder / "x.csv").write_text(content)
    return read_table(str(folder / "x.csv"), wanted, Reading(**settings))


class TestWithoutAHeader:
    def test_every_line_is_a_row_and_columns_are_numbered(self, tmp_path):
        read = table(tmp_path, "\ngood,pos\nbad,neg\n", header=False)
        assert read.names == ("column1", "column2")
        assert dict(read.columns) == {"column1": ["good", "bad"], "column2": ["pos", "neg"]}
        assert list(read.numbers) == [2, 3]

    def test_columns_may_be_named(self, tmp_path):
        (tmp_path / "x.csv").write_text("pos,good\nneg,bad\n")
        config = FilesConfig(path="x.csv", header=False, columns=["label", "text"])
        assert config.load([tmp_path], 0).texts == ["good", "bad"]

    def test_names_that_are_too_few_or_too_many_are_refused(self, tmp_path):
        for names, count in ((["a"], 1), (["a", "b", "c"], 3)):
            with pytest.raises(DataError, match=rf"line 1 has 2 fields where data.columns names {count};"):
                table(tmp_path, "good,pos\n", header=False, columns=names)
        with pytest.raises(DataError, match="line 2 has 3 fields where the first line has 2; put texts"):
            table(tmp_path, "good,pos\nbad,neg,x\n", header=False)

    def test_a_file_of_texts_alone_is_read_too(self, tmp_path):
        assert table(tmp_path, "good\nbad\n", header=False, columns=["label", "text"]).names == ("column1",)

    @pytest.mark.parametrize("columns", [[], [""], ["a", "a"]])
    def test_names_that_cannot_be_are_refused(self, columns):
        with pytest.raises(ValidationError):
            FilesConfig(path="x.csv", columns=columns)


class TestNamesOfColumns:
    def test_given_names_replace_those_of_the_header(self, tmp_path):
        read = table(tmp_path, "x,x\ngood,pos\n", columns=["text", "label"])
        assert dict(read.columns) == {"text": ["good"], "label": ["pos"]}

    @pytest.mark.parametrize(
        ("header", "names"),
        [
            (",text,label", ("column1", "text", "label")),
            ("text,label,,", ("text", "label", "column3", "column4")),
            ("text,x,label,x,x", ("text", "x", "label", "x (4)", "x (5)")),
            (",column1,text", ("column1'", "column1", "text")),
            ("x,x (2),x", ("x", "x (2)", "x (3)")),
            ("x,x,x (2)", ("x", "x (2)'", "x (2)")),
        ],
    )
    def test_those_that_lack_or_repeat_matter_only_where_they_are_used(self, tmp_path, header, names):
        row = [f"cell{number}" for number in range(len(names))]
        read = table(tmp_path, f"{header}\n{','.join(row)}\n")
        assert read.names == names
        assert {name: values[0] for name, values in read.columns.items()} == dict(zip(names, row, strict=True))

    def test_a_repeated_one_that_is_used_is_refused(self, tmp_path):
        (tmp_path / "x.csv").write_text("text,label,x,x,text\na,pos,1,2,b\nc,neg,1,2,d\n")
        with pytest.raises(
            DataError, match=r"several columns named 'text'; rename one in the file, or set data.columns"
        ):
            FilesConfig(path="x.csv").load([tmp_path], 0)
        names = ["text", "label", "x", "y", "body"]
        assert FilesConfig(path="x.csv", columns=names, text="body").load([tmp_path], 0).texts == ["b", "d"]


class TestFields:
    def test_a_delimiter_at_the_end_of_lines_adds_nothing(self, tmp_path):
        for content in ("text,label\ngood,pos,\nbad,neg, ,\n", "text,label,\ngood,pos,\nbad,neg\n"):
            read = table(tmp_path, content, ["text", "label"])
            assert dict(read.columns) == {"text": ["good", "bad"], "label": ["pos", "neg"]}

    def test_one_of_a_column_with_a_name_must_be_there(self, tmp_path):
        with pytest.raises(DataError, match="line 2 has 1 fields where the header has 3"):
            table(tmp_path, "text,label,\ngood\n")

    def test_more_of_them_that_hold_something_are_refused(self, tmp_path):
        with pytest.raises(DataError, match="line 2 has 4 fields where the header has 3"):
            table(tmp_path, "text,label,\ngood,pos,,x\n")


class TestWhatSeparatesColumns:
    def test_is_named_where_another_was_used(self, tmp_path):
        (tmp_path / "x.csv").write_text("text;label\ngood;pos\nbad;neg\n")
        with pytest.raises(DataError, match=r"'text;label', which looks like several; set data.delimiter to ';'$"):
            FilesConfig(path="x.csv").load([tmp_path], 0)

    def test_is_named_where_texts_have_the_usual_one_in_them(self, tmp_path):
        (tmp_path / "x.csv").write_text("text;label\ngood, really;pos\nbad;neg\n")
        with pytest.raises(DataError, match=r"line 2 has 2 fields where the header has 1; set data.delimiter to ';'$"):
            FilesConfig(path="x.csv").load([tmp_path], 0)

    def test_and_a_misspelt_column_behind_it_is_noticed_too(self, tmp_path):
        (tmp_path / "x.csv").write_text("text;label\ngood;pos\nbad;neg\n")
        with pytest.raises(DataError, match=r"to ';'; there is no column 'lable'; did you mean 'label'\?$"):
            FilesConfig(path="x.csv", text="lable").load([tmp_path], 0)

    def test_is_named_by_the_option_where_there_is_no_study(self, tmp_path):
        read = table(tmp_path, "text|label\ngood|pos\n")
        assert str(read.refusal("text", "text", CommandReading())).endswith("; set --delimiter to '|'")
