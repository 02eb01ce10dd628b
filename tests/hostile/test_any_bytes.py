"""Whatever bytes a file holds: rows, or a sentence. Never another exception."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from textune import commands
from textune.config.load import load_study
from textune.data import FilesConfig, Rows
from textune.errors import DataError, RunFolderError
from textune.records import StudyRecord
from textune.report.ablation import ablations
from textune.report.sections import render
from textune.report.summary import summarize
from textune.report.weeks import weekly_differences
from textune.serve.predict import predict_table, read_input, write_predictions
from textune.starter import first_study
from textune.tracking.line_log import LineLog, read_events

CONFIRMED = Path(__file__).parents[1] / "compatibility" / "fixtures" / "finished"

QUICK = settings(max_examples=300, suppress_health_check=list(HealthCheck))
THOROUGH = settings(max_examples=2_000, suppress_health_check=list(HealthCheck))

cells = st.one_of(
    st.sampled_from(
        ["text", "label", "good", "bad", "1", "2.0", "nan", "", " ", "-1e999", "2024-01-01", "train", "9" * 5_000]
    ),
    st.sampled_from(['"', '""', "'", "\\", "\0", "\r", "\n", "\ufeff", "\u2028", "\x85", "\x1b[0m", "\u202e", "\x1a"]),
    st.text(max_size=8),
)
tables = st.lists(st.lists(cells, min_size=1, max_size=4), max_size=12).flatmap(
    lambda rows: st.tuples(st.sampled_from([",", "\t", ";"]), st.sampled_from(["\n", "\r\n", "\r"])).map(
        lambda ends: ends[1].join(["text,label".replace(",", ends[0]), *(ends[0].join(row) for row in rows)])
    )
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), cells),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(cells, inner, max_size=3)),
    max_leaves=6,
)
json_lines = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {}, optional={"text": json_values, "label": json_values, "split": json_values, "": json_values}
        ),
        json_values,
    ),
    max_size=8,
).flatmap(
    lambda records: st.booleans().map(
        lambda escaped: "\n".join(json.dumps(each, ensure_ascii=escaped) for each in records)
    )
)
encodings = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "utf-32", "utf-7"])


ENDINGS = ("csv", "tsv", "json", "jsonl", "txt")


@st.composite
def contents(draw):
    """Bytes: any, or of a table, encoded somehow, cut and with some bytes changed."""
    content = draw(
        st.one_of(
            st.binary(max_size=200),
            st.tuples(st.one_of(tables, json_lines), encodings).map(
                lambda pair: pair[0].encode(
                    pair[1], "surrogatepass" if "utf-" in pair[1] and pair[1] != "utf-7" else "ignore"
                )
            ),
        )
    )
    for place, byte in draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=2)), max_size=2)):
        start = int(place * len(content))
        content = content[:start] + byte + content[start + len(byte) :]
    return content[: int(draw(st.floats(0.5, 1)) * len(content)) or None] if draw(st.booleans()) else content


@st.composite
def files(draw, endings=ENDINGS):
    """A file's ending and content; where it is compressed, sometimes damaged after that."""
    content, ending = draw(contents()), draw(st.sampled_from(endings))
    if draw(st.booleans()):
        content, ending = gzip.compress(content, mtime=0), f"{ending}.gz"
        if draw(st.booleans()):
            place = draw(st.integers(0, len(content) - 1))
            content = content[:place] + draw(st.binary(max_size=3)) + content[place + draw(st.integers(0, 3)) :]
    return ending, content


readings = st.fixed_dictionaries(
    {},
    optional={
        "encoding": encodings,
        "encoding_errors": st.sampled_from(["strict", "replace"]),
        "quotes": st.booleans(),
        "format": st.sampled_from(["csv", "tsv", "json", "jsonl", "lines"]),
        "header": st.booleans(),
        "columns": st.sampled_from([["a"], ["text", "label"]]),
        "text": st.sampled_from(["text", "column1", ["text", "label"]]),
        "delimiter": st.sampled_from([",", ";", '"', "\t", " ", "\n", "\r", "\0", "x", "é"]),
        "date": st.sampled_from(["label", "text"]),
        "group": st.sampled_from(["label", "text"]),
        "split": st.sampled_from(["label", "split"]),
        "max_rows": st.integers(2, 5),
        "max_bytes": st.sampled_from([10, 100, 10**6]),
    },
)


def check_file(folder, file, reading):
    ending, content = file
    (folder / f"x.{ending}").write_bytes(content)
    try:
        rows = FilesConfig(path=f"x.{ending}", **reading).load([folder], 0)
    except DataError as error:
        assert "\n" not in str(error)
        assert str(folder) in str(error) or "data." in str(error)
        assert len(str(error)) < 5_000
        return
    assert isinstance(rows, Rows)
    assert len(rows) == len(rows.labels_N) >= 1
    assert len(rows.classes) >= 2
    assert rows.labels_N.max() < len(rows.classes)
    for text in (*rows.texts, *rows.classes):
        assert text.strip()
        text.encode()


@QUICK
@given(files(), readings)
def test_any_table(tmp_path_factory, file, reading):
    check_file(tmp_path_factory.getbasetemp(), file, reading)


@pytest.mark.slow
@THOROUGH
@given(files(), readings)
def test_any_of_very_many_tables(tmp_path_factory, file, reading):
    check_file(tmp_path_factory.getbasetemp(), file, reading)


@pytest.fixture(scope="module")
def parquet():
    table = pa.table(
        {
            "text": ["a", None, "é" * 50] * 40,
            "label": pa.array([1, 2, None] * 40),
            "day": pa.array([0, 1, 2] * 40, pa.date32()),
        }
    )
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=50)
    return stream.getvalue()


def check_parquet(folder, whole, changes, end):
    check_file(folder, ("parquet", with_damage(whole, changes, end)), {"date": "day"})


def with_damage(whole, changes, end):
    """Returns the first part of bytes with some of them changed."""
    content = bytearray(whole[: int(end * len(whole))])
    for place, byte in changes:
        if content:
            content[int(place * len(content)) % len(content)] = byte
    return bytes(content)


damage = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4)


@QUICK
@given(changes=damage, end=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_any_damage_of_parquet(tmp_path_factory, parquet, changes, end):
    check_parquet(tmp_path_factory.getbasetemp(), parquet, changes, end)


@pytest.mark.slow
@THOROUGH
@given(changes=damage, end=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_any_of_very_many_damages_of_parquet(tmp_path_factory, parquet, changes, end):
    check_parquet(tmp_path_factory.getbasetemp(), parquet, changes, end)


class Guesser:
    """In place of a pipeline: what it predicts does not matter here."""

    class config:
        classes = ("\ufeffbad", 'good,"\r\n')

    def predict(self, texts):
        for text in texts:
            text.encode()
        return np.full((len(texts), 2), 0.5)


def check_input(folder, file):
    ending, content = file
    (folder / f"in.{ending}").write_bytes(content)
    for name in ("-", str(folder / f"in.{ending}")):
        for output_format in ("csv", "jsonl"):
            stream = io.StringIO(newline="")
            try:
                write_predictions(
                    predict_table(Guesser(), read_input(name, io.BytesIO(content))), stream, output_format
                )
            except DataError as error:
                assert "\n" not in str(error)
                continue
            written = stream.getvalue().encode().decode()
            if output_format == "jsonl":
                for line in written.split("\n")[:-1]:
                    json.loads(line, parse_constant=pytest.fail)


@QUICK
@given(files())
def test_any_input_of_predictions(tmp_path_factory, file):
    check_input(tmp_path_factory.getbasetemp(), file)


@pytest.mark.slow
@THOROUGH
@given(files())
def test_any_of_very_many_inputs_of_predictions(tmp_path_factory, file):
    check_input(tmp_path_factory.getbasetemp(), file)


def check_first_study(folder, file, label):
    ending, content = file
    (folder / f"first.{ending}").write_bytes(content)
    try:
        study = first_study(str(folder / f"first.{ending}"), label)
    except DataError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 6_000
        return
    (folder / "first.yaml").write_text(study.text, encoding="utf-8")
    config = load_study(folder / "first.yaml").config
    rows = config.data.load([folder], config.seed)
    config.split.assign(rows, config.seed)
    assert f": {len(rows)} rows, {len(rows.classes)} labels" in study.text


labels = st.sampled_from([None, "label", "1", "2", "x"])


@QUICK
@given(files((*ENDINGS, "dat")), labels)
def test_any_first_study(tmp_path_factory, file, label):
    check_first_study(tmp_path_factory.getbasetemp(), file, label)


@pytest.mark.slow
@THOROUGH
@given(files((*ENDINGS, "dat")), labels)
def test_any_of_very_many_first_studies(tmp_path_factory, file, label):
    check_first_study(tmp_path_factory.getbasetemp(), file, label)


@pytest.fixture(scope="module")
def workbook():
    """The parts of an xlsx file, by their names."""
    book = openpyxl.Workbook()
    book.active.append(["text", "label", "day"])
    for row in range(60):
        day = datetime.datetime(2024, 1, 1 + row % 20)
        book.active.append([["a", None, "é" * 50][row % 3], [1, 2, None][row % 3], day])
    stream = io.BytesIO()
    book.save(stream)
    with zipfile.ZipFile(stream) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@QUICK
@given(data=st.data(), changes=damage, end=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_any_damage_of_a_workbook(tmp_path_factory, workbook, data, changes, end):
    damaged = data.draw(st.sampled_from([*workbook, None]))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in workbook.items():
            archive.writestr(name, with_damage(content, changes, end) if name == damaged else content)
    content = stream.getvalue()
    content = with_damage(content, changes, end) if damaged is None else content
    check_file(tmp_path_factory.getbasetemp(), ("xlsx", content), {"date": "day"})


def with_checksum(line):
    return line[:-1] + b',"crc":"%08x"}' % zlib.crc32(line)


@pytest.fixture(scope="module")
def events(finished):
    """The events of a finished study, and of one with a confirmation."""
    return [read_events(folder / "events.jsonl")[0] for folder in (finished.folder.path, CONFIRMED)]


@st.composite
def changed(draw, value):
    """The value with something in it changed."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 6)) == 0:
        return draw(json_values)
    items = dict(value) if isinstance(value, dict) else list(value)
    key = draw(st.sampled_from(sorted(items) if isinstance(items, dict) else range(len(items))))
    if draw(st.integers(0, 9)) == 0:
        del items[key]
    else:
        items[key] = draw(changed(items[key]))
    return items


def check_log(folder, content):
    (folder / "events.jsonl").write_bytes(content)
    try:
        record = commands.load_run(folder).record
    except RunFolderError as error:
        assert f"{folder / 'events.jsonl'}" in str(error)
        return
    assert StudyRecord.model_validate_json(record.model_dump_json())
    Console(file=io.StringIO(), width=110).print(commands.show(folder))
    json.dumps(commands.show(folder, as_json=True))
    render(
        summarize(record, None, weekly_differences(folder, record), ablations(record, folder)), "run", has_model=True
    )


def check_changed_log(data, events, folder):
    events = list(events[data.draw(st.integers(0, len(events) - 1))])
    for _ in range(data.draw(st.integers(1, 2))):
        number = data.draw(st.integers(0, len(events) - 1))
        events[number] = data.draw(changed(events[number]))
        if data.draw(st.integers(0, 3)) == 0:
            del events[data.draw(st.integers(0, len(events) - 1))]
        if not events:
            return
    (folder / "changed.jsonl").unlink(missing_ok=True)
    with LineLog(folder / "changed.jsonl") as log:
        for event in events:
            log.append(event or {"": None})
    check_log(folder, (folder / "changed.jsonl").read_bytes())


log_bytes = st.one_of(
    st.binary(max_size=300),
    st.lists(st.one_of(st.binary(max_size=50), json_values.map(lambda value: json.dumps(value).encode()))).map(
        lambda lines: b"\n".join(with_checksum(line) if line else line for line in lines) + b"\n"
    ),
    st.just(with_checksum(b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}") + b"\n"),
)


@QUICK
@given(content=log_bytes)
def test_any_bytes_for_a_log(tmp_path_factory, content):
    check_log(tmp_path_factory.getbasetemp(), content)


@QUICK
@given(data=st.data())
def test_any_change_of_a_log(tmp_path_factory, events, data):
    check_changed_log(data, events, tmp_path_factory.getbasetemp())


@pytest.mark.slow
@THOROUGH
@given(data=st.data())
def test_any_of_very_many_changes_of_a_log(tmp_path_factory, events, data):
    check_changed_log(data, events, tmp_path_factory.getbasetemp())
