from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textune.errors import RunFolderError
from textune.storage import FolderLock, cache_folder, dump_json, redact, write_atomically


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
