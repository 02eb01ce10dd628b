"""Dates as people write them: the form is that of the whole column, and what cannot be known is asked."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from textune.data import FilesConfig
from textune.data.dates import read_days
from textune.errors import DataError

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAY = date(2015, 2, 24)


def read(*cells, date_format=None):
    """Returns the days of one column; of several if the cells are lists."""
    columns = cells if isinstance(cells[0], list) else [cells]
    days = read_days(columns, date_format, lambda number, row: f"{'abc'[number]}.csv, line {row + 2}: column 'day'")
    return [day for column in days for day in column]


@pytest.mark.parametrize(
    "text",
    [
        "2015-02-24",
        "2015-02-24T23:30:00-08:00",
        "2015-02-24 00:10:00+14:00",
        "2015-02-24T11:34:05.123456789Z",
        "2015-2-24",
        "2015/02/24",
        "2015.02.24 11:34",
        "20150224",
        20150224,
        "24.02.2015",
        "24.2.15",
        "24/02/2015 11:34:05",
        "2/24/2015",
        "2/24/15 3:45 PM",
        "24-Feb-2015",
        "24 February 2015",
        "24th Feb 2015",
        "February 24, 2015",
        "Feb. 24th, 2015",
        "FEB 24 2015 11:34PM",
        "Tuesday, February 24, 2015",
        "Tue, 24 Feb 2015 11:34:05 +0000",
        "Tue, 24 Feb 2015 23:34:05 -0800 (PST)",
        "Sat Feb 24 11:34:05 +0000 2015",
        "Mon Feb 24 22:19:45 PDT 2015",
        "Tue Feb 24 11:34:05 2015",
        42059,
        "42059",
        42059.98,
        "1424736000",
        1424736000123,
        date(2015, 2, 24),
        datetime(2015, 2, 24, 23, 59, tzinfo=timezone(timedelta(hours=-8))),
        datetime(2015, 2, 24, tzinfo=UTC),
        np.datetime64("2015-02-24T12:00"),
    ],
    ids=str,
)
def test_one_date_is_read_in_every_form_and_counts_as_it_is_written(text):
    assert read(text, None, "", text) == [DAY, None, None, DAY]


class TestDayAndMonth:
    @pytest.mark.parametrize("mark", "/.- ")
    @pytest.mark.parametrize("year", ["15", "2015"])
    def test_are_told_apart_by_any_row_of_any_file(self, mark, year):
        first, decides = f"3{mark}4{mark}{year}", f"24{mark}2{mark}{year}"
        assert read([first], [first, decides]) == [date(2015, 4, 3), date(2015, 4, 3), DAY]
        other = f"2{mark}24{mark}{year}"
        assert read([first], [first, other]) == [date(2015, 3, 4), date(2015, 3, 4), DAY]

    def test_are_asked_for_where_no_row_decides(self):
        with pytest.raises(DataError) as caught:
            read(["5.5.2015", "03.04.2015"], ["1.2.2015"])
        assert str(caught.value) == (
            "a.csv, line 3: column 'day' holds '03.04.2015', which may be 2015-04-03 or 2015-03-04, and no other row "
            "decides it; set data.date_format to '%d.%m.%Y' or '%m.%d.%Y'"
        )
        assert read("03.04.2015", date_format="%m.%d.%Y") == [date(2015, 3, 4)]

    def test_that_are_the_same_need_no_decision(self):
        assert read("05/05/2015", "11/11/2015") == [date(2015, 5, 5), date(2015, 11, 11)]

    def test_that_contradict_each_other_are_refused_with_the_row(self):
        with pytest.raises(DataError, match=r"line 4: column 'day' holds '2/25/2015', which is not written as other"):
            read("24/2/2015", "25/2/2015", "2/25/2015")


class TestColumnsOfSeveralForms:
    @pytest.mark.parametrize(
        ("cells", "sentence"),
        [
            (
                ("2015-02-24", "24/02/2015", "2015-02-25"),
                "line 3: column 'day' holds '24/02/2015', which is not written",
            ),
            (("24.02.2015", "25.02.2015", "Feb 24, 2015"), "holds 'Feb 24, 2015', which is not written as other dates"),
            (("24.02.2015", "30.02.2015", "01.03.2015"), r"holds '30.02.2015', .*other dates are, %d.%m.%Y"),
            (
                ("yesterday",),
                "line 2: column 'day' holds 'yesterday', which is no date; write ISO 8601, such as 2015-02",
            ),
            ((17,), "holds '17', which is no date"),
            ((True,), "which is no date"),
            (([["2015"]],), "a list; allowed: text, a number or a date"),
        ],
    )
    def test_end_in_a_sentence_with_the_row(self, cells, sentence):
        with pytest.raises(DataError, match=sentence):
            read(*cells)

    def test_of_dates_and_texts_are_fine_in_a_spreadsheet(self):
        assert read(datetime(2015, 2, 24), "25.02.2015") == [DAY, date(2015, 2, 25)]


class TestAFormatThatIsGiven:
    @pytest.mark.parametrize(
        ("date_format", "cell"),
        [
            ("%d.%m.%y", "24.02.15"),
            ("%y%m%d", "150224"),
            ("%d%m%Y", 24022015),
            ("%A, %d %B %Y", "tuesday, 24 FEBRUARY 2015"),
            ("%Y/%m/%d %H:%M", "2015/02/24 11:34"),
            ("%Y/%m/%d", "2015/02/24 11:34"),
            ("day %d of %m in %Y (100%%)", "day 24 of 2 in 2015 (100%)"),
            ("excel", 42059.5),
            ("unix", "1424736000.5"),
        ],
    )
    def test_is_followed(self, date_format, cell):
        assert read(cell, date_format=date_format) == [DAY]

    def test_leaves_out_the_day_for_whole_months(self):
        assert read("Feb 2015", date_format="%b %Y") == [date(2015, 2, 1)]

    @pytest.mark.parametrize("cell", ["2015-02-24", "32.01.2015", "24.02.2015x", "24.02.20155", "24,02,2015"])
    def test_is_named_where_a_row_does_not_have_it(self, cell):
        with pytest.raises(DataError, match=r"line 2: .*which is no date of data.date_format '%d.%m.%Y'"):
            read(cell, date_format="%d.%m.%Y")

    @pytest.mark.parametrize(("number", "date_format"), [("1e300", "excel"), ("-1e99", "unix"), ("inf", "excel")])
    def test_of_numbers_refuses_those_that_are_no_day(self, number, date_format):
        with pytest.raises(DataError, match=r"which is no date of data\.date_format"):
            read(number, date_format=date_format)

    @pytest.mark.parametrize("date_format", ["%d.%m", "%Q", "%Y %", "%Y-%m-%d-%m", "%b %B %Y", "iso", ""])
    def test_is_checked_with_the_study(self, date_format):
        with pytest.raises(ValidationError, match=f"is '{date_format}'; "):
            FilesConfig(path="x.csv", date="day", date_format=date_format)


FORMS = {
    "%d.%m.%Y": lambda day: f"{day.day:02}.{day.month:02}.{day.year}",
    "%m/%d/%Y": lambda day: f"{day.month}/{day.day}/{day.year}",
    "%d-%b-%Y": lambda day: f"{day.day}-{MONTHS[day.month - 1]}-{day.year}",
    "iso": lambda day: day.isoformat(),
    "twitter": lambda day: f"Sat {MONTHS[day.month - 1]} {day.day:02} 11:34:05 +0000 {day.year}",
    "excel": lambda day: str((day - date(1899, 12, 30)).days),
}


@given(st.lists(st.dates(date(1955, 1, 1), date(2060, 1, 1)), min_size=1), st.sampled_from(sorted(FORMS)))
def test_a_column_in_one_form_is_read_or_asked_about_and_never_misread(days, form):
    texts = [FORMS[form](day) for day in days]
    try:
        assert read(*texts) == days
    except DataError as error:
        assert "%m" in form
        assert "which may be" in str(error)
        assert all(day.day <= 12 for day in days)
    if form.startswith("%") or form == "excel":
        assert read(*texts, date_format=form) == days


def test_dates_of_all_files_are_of_one_form(tmp_path):
    (tmp_path / "train.csv").write_text("text,label,day\na,x,03/04/2015\nb,y,05/06/2015\n")
    (tmp_path / "test.csv").write_text("text,label,day\nc,x,24/02/2015\nd,y,\n")
    rows = FilesConfig(train="train.csv", test="test.csv", date="day").load([tmp_path], 0)
    assert rows.dates_N.tolist() == [date(2015, 4, 3), date(2015, 6, 5), DAY]
    assert list(rows.skipped) == [f"no date (first: {tmp_path / 'test.csv'}, line 3)"]
    with pytest.raises(DataError, match=r"train.csv, line 2: .*which is no date of data.date_format '%Y'|'%m/%Y'"):
        FilesConfig(train="train.csv", test="test.csv", date="day", date_format="%m/%Y").load([tmp_path], 0)
