from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textune.errors import RunFolderError
from textune.storage import FolderLock, LineLog, cache_folder, dump_json, read_events, redact, write_atomically

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


def test_each_line_is_json_with_the_checksum_of_the_rest(tmp_path):
    with LineLog(tmp_path / "events.jsonl") as log:
        log.append('{"event":"progress","epoch":3}')
    line = (tmp_path / "events.jsonl").read_text()
    assert line.endswith("}\n")
    event = json.loads(line)
    assert int(event.pop("crc"), 16) == zlib.crc32(b'{"event":"progress","epoch":3}')
    assert event == {"event": "progress", "epoch": 3}


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
        "import os, signal, pathlib, sys; from textune.storage import LineLog\n"
        "log = LineLog(pathlib.Path(sys.argv[1])); log.append({'number': 1}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    assert read_events(path) == ([{"number": 1}], 0)


def test_a_full_disk_ends_the_study_and_keeps_what_was_written(tmp_path):
    path = tmp_path / "events.jsonl"
    code = (
        "import pathlib, resource, sys; from textune.errors import FatalError; from textune.storage import LineLog\n"
        "log = LineLog(pathlib.Path(sys.argv[1])); log.append({'number': 1})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))\n"
        "try: log.append({'number': 2})\n"
        "except FatalError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, text=True)
    assert "events.jsonl cannot be written: File too large; what it held before is kept" in ended.stdout
    assert path.stat().st_size == 40
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


def test_a_folder_has_one_owner_at_a_time(tmp_path):
    with (
        FolderLock(tmp_path),
        pytest.raises(RunFolderError, match=rf"in use by process {os.getpid()} on .+, for 0 min"),
    ):
        FolderLock(tmp_path)
    FolderLock(tmp_path).release()


def test_a_killed_owner_leaves_no_lock(tmp_path):
    code = (
        "import sys, pathlib, time; from textune.storage import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1])); print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"
        with pytest.raises(RunFolderError, match=f"process {owner.pid} "):
            FolderLock(tmp_path)
        owner.kill()
    FolderLock(tmp_path).release()


def test_writing_replaces_the_whole_file_or_nothing(tmp_path):
    path = tmp_path / "study.json"
    write_atomically(path, "né\n")
    assert path.read_bytes() == "né\n".encode()
    write_atomically(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["study.json"]
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_bytes() == b"new"


def test_json_is_strict():
    assert dump_json({"a": [float("nan"), float("inf")], "b": (-float("inf"), 1.5)}) == (
        '{"a":["NaN","Infinity"],"b":["-Infinity",1.5]}'
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:secret@bucket/file.csv", "s3://***@bucket/file.csv"),
        ("https://user:p@ss@host/a", "https://***@host/a"),
        ("path: https://host/a.csv?token=abc&x=1\nname: b", "path: https://host/a.csv?***\nname: b"),
        ("'https://host/a?sig=1' is wrong? yes", "'https://host/a?***' is wrong? yes"),
        ("https://host/what@path", "https://host/what@path"),
        ("is a@b.c right?yes", "is a@b.c right?yes"),
        ("https://user:pa/ss@host/a", "https://***@host/a"),
        ("https://user:pa ss@host/a", "https://***@host/a"),
        ("path: https://user:pa\"s's@host/a", "path: https://***@host/a"),
        ("path: https://user:pa\\@host/a", "path: https://***@host/a"),
        ("https://:token@host and https://key@host", "https://***@host and https://***@host"),
        ("https://host/a#access_token=1 is", "https://host/a#*** is"),
        ("https://host/a?it's=1", "https://host/a?***"),
        ("https://host:80/a@b", "https://host:80/a@b"),
        ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
        ("https://host: ask a@b.c", "https://host: ask a@b.c"),
        ('{"a":"https://host","b":"x@y"}', '{"a":"https://host","b":"x@y"}'),
    ],
)
def test_credentials_are_redacted(text, shown):
    assert redact(text) == shown == redact(shown)


ANY = st.characters(exclude_characters="'", exclude_categories=["Cs"])


@given(st.text(st.characters(codec="ascii", categories=["L", "N"])), st.text(ANY), st.text(ANY))
def test_json_stays_json_without_its_secrets(user, password, other):
    secret = f"x{password}"
    value = {"url": f"https://{user}:{secret}@host/a", "other": [other.replace("://", ""), "https://host", "a@b", 1]}
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False), json.dumps(value, indent=2)):
        assert json.loads(redact(text)) == {**value, "url": "https://***@host/a"}


def test_the_cache_is_closed_to_others(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "deep" / "cache"))
    assert cache_folder() == tmp_path / "deep" / "cache"
    assert stat.S_IMODE(cache_folder().stat().st_mode) == 0o700
    monkeypatch.delenv("TEXTUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder().name == "textune"
