from __future__ import annotations

import json
import subprocess
import sys
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textune.errors import RunFolderError
from textune.storage import dump_json
from textune.tracking.line_log import LineLog, read_events

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), json_values, min_size=1, max_size=4), max_size=4))
@settings(max_examples=30, deadline=None)
def test_events_come_back_as_they_were_written(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    with LineLog(path) as log:
        for event in events:
            log.append(event)
    assert read_events(path) == ([json.loads(dump_json(event)) for event in events], 0)


def test_each_line_is_json_with_its_number_and_the_checksums_of_the_line_before_and_its_own(tmp_path):
    with LineLog(tmp_path / "events.jsonl") as log:
        log.append('{"event":"progress","epoch":3}')
        log.append('{"event":"progress","epoch":4}')
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    previous = "00000000"
    for number, line in enumerate(lines, start=1):
        event = json.loads(line)
        checksum = event.pop("crc")
        body = line.replace(f',"crc":"{checksum}"', "")
        assert int(checksum, 16) == zlib.crc32(body.encode())
        assert event == {"event": "progress", "epoch": number + 2, "line": number, "previous": previous}
        previous = checksum


@pytest.fixture
def three_events(tmp_path):
    path = tmp_path / "events.jsonl"
    with LineLog(path) as log:
        for number in range(3):
            log.append({"number": number})
    return path


def test_a_log_cut_at_any_byte_keeps_every_whole_line_and_takes_new_ones(three_events):
    content = three_events.read_bytes()
    for size in range(len(content)):
        three_events.write_bytes(content[:size])
        events, torn_bytes = read_events(three_events)
        whole = content[:size].count(b"\n")
        assert [event["number"] for event in events] == list(range(whole))
        assert size - torn_bytes == len(b"".join(content.splitlines(keepends=True)[:whole]))
        with LineLog(three_events) as log:
            log.append({"number": "new"})
        assert [event["number"] for event in read_events(three_events)[0]] == [*range(whole), "new"]


def test_zeros_that_a_power_cut_left_are_a_torn_tail(three_events):
    size = three_events.stat().st_size
    with three_events.open("ab") as file:
        file.write(b"\0" * 70 + b"\n" + b"\0" * 30)
    events, torn_bytes = read_events(three_events)
    assert (len(events), torn_bytes) == (3, 101)
    LineLog(three_events).close()
    assert three_events.stat().st_size == size


def test_a_damaged_line_in_the_middle_is_named(three_events):
    three_events.write_text(three_events.read_text().replace('"number":1', '"number":7'))
    with pytest.raises(RunFolderError, match=r"events\.jsonl:2: the line does not match its checksum"):
        read_events(three_events)


def test_an_event_survives_a_killed_process(tmp_path):
    path = tmp_path / "events.jsonl"
    code = (
        "import os, signal, pathlib, sys; from textune.tracking.line_log import LineLog\n"
        "log = LineLog(pathlib.Path(sys.argv[1])); log.append({'number': 1}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    assert read_events(path) == ([{"number": 1}], 0)


def test_a_full_disk_ends_the_study_and_keeps_what_was_written(tmp_path):
    path = tmp_path / "events.jsonl"
    code = (
        "import pathlib, resource, sys; from textune.errors import FatalError\n"
        "from textune.tracking.line_log import LineLog\n"
        "log = LineLog(pathlib.Path(sys.argv[1])); log.append({'number': 1})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (80, 80))\n"
        "try: log.append({'number': 2})\n"
        "except FatalError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, text=True)
    assert "events.jsonl cannot be written: File too large; what it held before is kept" in ended.stdout
    assert path.stat().st_size == 80
    assert read_events(path)[0] == [{"number": 1}]


def test_appending_is_cheap(tmp_path):
    event = json.dumps({"content": "x" * 400})
    with LineLog(tmp_path / "events.jsonl") as log:
        seconds = []
        for _ in range(2000):
            started = time.perf_counter()
            log.append(event)
            seconds.append(time.perf_counter() - started)
    assert sorted(seconds)[1000] < 50e-6
