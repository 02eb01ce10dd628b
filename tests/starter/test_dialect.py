"""How a file is written: what is noticed, and what is not taken for something else."""

import openpyxl
import pytest

from textune.errors import DataError
from textune.starter import first_study
from textune.starter.dialect import dialect


def noticed(folder, content, name="x.csv", label=None, **given):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return dict(dialect(str(path), given, label).settings)


ROWS = [(f"a {word} day {number}", label) for number in range(20) for word, label in (("good", "pos"), ("bad", "neg"))]
LINES = [f"{text},{label}" for text, label in ROWS]


class TestTheHeader:
    @pytest.mark.parametrize(
        "header",
        [
            "text,label",
            "0,1",
            ",label",
            "How was it? Please tell us all that you remember,pos or neg",
            "good,bad",
            "a,2019",
        ],
    )
    def test_is_one_where_its_cells_are_not_those_of_the_rows(self, tmp_path, header):
        assert noticed(tmp_path, "\n".join([header, *LINES])) == {}

    def test_is_none_where_a_label_recurs_or_numbers_are_among_numbers(self, tmp_path):
        assert noticed(tmp_path, "\n".join(LINES)) == {"header": False}
        assert noticed(tmp_path, "".join(f"text {n},{n}\n" for n in range(5, 40))) == {"header": False}

    def test_is_one_where_it_has_the_label_that_is_named(self, tmp_path):
        lines = ["text,pos", *LINES]
        assert noticed(tmp_path, "\n".join(lines)) == {"header": False}
        assert noticed(tmp_path, "\n".join(lines), label="pos") == {}

    def test_is_one_where_only_some_of_its_cells_are_numbers_above_numbers(self, tmp_path):
        lines = [f"{number},{number * 3},{text},{label}" for number, (text, label) in enumerate(ROWS)]
        assert noticed(tmp_path, "\n".join(["id,2019,text,label", *lines])) == {}

    def test_is_none_where_the_number_of_the_label_is_one_of_its_cells(self, tmp_path):
        content = "".join(f"{number % 2},a text {number}\n" for number in range(1, 40))
        assert noticed(tmp_path, content, label="1") == {"header": False}
        study = first_study(str(tmp_path / "x.csv"), "1").text
        assert "39 rows" in study
        assert "text: column2, label: column1" in study

    def test_that_comes_again_in_the_file_is_still_one(self, tmp_path):
        assert noticed(tmp_path, "\n".join(["text,label", *LINES, "text,label", *LINES, "text,label"])) == {}


class TestQuotes:
    def test_are_quotes_where_they_fit_together(self, tmp_path):
        content = 'text,label\n"a, b",pos\n"two\nlines",neg\n"said ""so""",pos\nplain,neg\n'
        assert noticed(tmp_path, content) == {}
        assert noticed(tmp_path, 'text\tlabel\n"a"\tpos\n"b"\tneg\n', "x.tsv") == {}

    def test_are_text_where_they_are_not_closed_or_hide_lines(self, tmp_path):
        assert noticed(tmp_path, 'text\tlabel\n"a\tpos\nb" c\tneg\n', "x.tsv") == {"quotes": False}
        assert noticed(tmp_path, 'text\tlabel\n"a\tpos\nb\tneg\nc\tpos\n', "x.tsv") == {"quotes": False}
        # Quotes that fit together by chance would make one row of three.
        assert noticed(tmp_path, 'label\ttext\npos\t"a\nneg\tb\npos\tc"\nneg\td\n', "x.tsv") == {"quotes": False}


class TestTheDelimiter:
    @pytest.mark.parametrize("delimiter", [";", "\t", "|"])
    def test_is_what_divides_all_rows_alike(self, tmp_path, delimiter):
        lines = [f"{text}, yes, really{delimiter}{label}" for text, label in ROWS]
        assert noticed(tmp_path, "\n".join([f"text{delimiter}label", *lines])) == {"delimiter": delimiter}

    def test_that_is_usual_stays(self, tmp_path):
        lines = [f"{text}; so; it was,{label}" for text, label in ROWS]
        assert noticed(tmp_path, "\n".join(["text,label", *lines])) == {}

    def test_is_the_one_that_is_named(self, tmp_path):
        lines = [f"{text}#{label}" for text, label in ROWS]
        assert noticed(tmp_path, "\n".join(["text#label", *lines]), delimiter="#") == {"delimiter": "#"}


class TestTheEncoding:
    def test_that_is_named_is_not_looked_for(self, tmp_path):
        content = "text,label\nschön,pos\nöde,neg\n".encode("cp1252")
        assert noticed(tmp_path, content) == {"encoding": "cp1252"}
        assert noticed(tmp_path, content, encoding="latin-1") == {"encoding": "latin-1"}

    def test_of_damaged_utf8_is_replaced_and_counted(self, tmp_path):
        (tmp_path / "x.csv").write_bytes(b"text,label\n" + "schön,pos\nöde,neg\n".encode() * 10 + b"caf\xe9,neg\n")
        found = dialect(str(tmp_path / "x.csv"), {}, None)
        assert found.settings == {"encoding_errors": "replace"}
        assert found.notes == ("1 of 22 lines contain bytes that are not utf-8; U+FFFD replaces them.",)

    def test_of_a_file_with_a_mark_and_of_plain_ascii_needs_no_word(self, tmp_path):
        for content in ("\ufefftext,label\nschön,pos\nöde,neg\n", "text,label\na,pos\nb,neg\n"):
            assert noticed(tmp_path, content) == {}


class TestASheet:
    def test_is_the_one_that_has_the_label(self, tmp_path):
        book = openpyxl.Workbook()
        book.active.append(["about", "this file"])
        sheet = book.create_sheet("Data")
        for row in [("text", "mark"), *ROWS]:
            sheet.append(row)
        book.save(tmp_path / "x.xlsx")
        study = first_study(str(tmp_path / "x.xlsx"), "mark")
        assert "sheet: Data" in study.text
        assert study.notes[0] == "Several sheets contain data; 'Data' is read, not 'Sheet'."

    def test_may_have_no_header(self, tmp_path):
        book = openpyxl.Workbook()
        for row in ROWS:
            book.active.append(row)
        book.save(tmp_path / "x.xlsx")
        assert "header: false" in first_study(str(tmp_path / "x.xlsx"), "2").text


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.csv is empty"):
        first_study(str(tmp_path / "x.csv"), "label")
