from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from textune.data.cache import Cache, content_key
from textune.errors import TextuneError


def writes(size: int = 10):
    return lambda folder: (folder / "data").write_bytes(b"x" * size)


def never(folder: Path):
    raise AssertionError("built twice")


def used_hours_ago(path: Path, hours: float) -> None:
    os.utime(path, (time.time() - hours * 3600,) * 2)


def entries(cache: Cache) -> set[str]:
    return {path.name for path in cache.root.iterdir() if path.suffix != ".lock"}


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", max_bytes=100_000)


def test_an_entry_is_built_once(cache):
    folder = cache.folder("a", writes())
    assert (folder / "data").read_bytes() == b"x" * 10
    assert cache.folder("a", never) == Cache(cache.root).folder("a", never) == cache.find("a") == folder
    assert cache.find("b") is None
    assert stat.S_IMODE(cache.root.stat().st_mode) == 0o700


def test_an_entry_is_whole_or_not_there(cache):
    def fail(folder: Path):
        writes()(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.folder("a", fail)
    assert entries(cache) == set()
    cache.folder("a", writes())


def test_builds_may_need_other_entries(cache):
    def outer(folder: Path):
        writes((cache.folder("inner", writes(7)) / "data").stat().st_size)(folder)

    assert (cache.folder("outer", outer) / "data").stat().st_size == 7


BUILD = """
import sys, time
from pathlib import Path
from textune.data.cache import Cache
def build(folder):
    with (Path(sys.argv[1]) / "builds").open("a") as file:
        file.write("built\\n")
    (folder / "data").write_text("half")
    print("building", flush=True)
    sys.stdin.readline()
    (folder / "data").write_text("whole")
print((Cache(Path(sys.argv[1]) / "cache").folder("a", build) / "data").read_text(), flush=True)
"""


@pytest.fixture
def builder(tmp_path):
    started = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", BUILD, str(tmp_path)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


locks = Path("/proc/locks")


@pytest.mark.skipif(not locks.exists(), reason="who waits for a lock is told by Linux alone")
def test_a_second_process_waits_for_the_first(builder, tmp_path):
    first = builder()
    assert first.stdout.readline() == "building\n"
    second = builder()
    deadline = time.monotonic() + 20
    while not any("->" in lock and f" {second.pid} " in lock for lock in locks.read_text().splitlines()):
        assert time.monotonic() < deadline, "the second process does not wait"
        time.sleep(0.01)
    assert first.communicate("\n")[0] == "whole\n"
    assert second.communicate()[0] == "whole\n"
    assert (tmp_path / "builds").read_text() == "built\n"


def in_steps(folder):
    writes()(folder)
    yield
    yield


def test_an_entry_built_in_steps_is_there_after_the_last_one(cache):
    steps = cache.folder_in_steps("a", in_steps)
    assert [next(steps), next(steps)] == [None, None]
    assert cache.find("a") is None
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == cache.find("a") == cache.folder("a", never)
    with pytest.raises(StopIteration):
        next(cache.folder_in_steps("a", never))


def test_an_entry_whose_building_is_broken_off_leaves_nothing_and_can_be_built(cache):
    steps = cache.folder_in_steps("a", in_steps)
    next(steps)
    steps.close()
    assert entries(cache) == set()
    cache.folder("a", writes())


def test_steps_pass_while_another_process_builds(builder, tmp_path):
    first = builder()
    assert first.stdout.readline() == "building\n"
    steps = Cache(tmp_path / "cache").folder_in_steps("a", never)
    assert [next(steps), next(steps)] == [None, None]
    assert first.communicate("\n")[0] == "whole\n"
    assert list(steps) == []
    assert (tmp_path / "cache" / "a" / "data").read_text() == "whole"


def test_what_a_killed_build_leaves_is_cleaned_by_the_next_build(builder, tmp_path):
    killed = builder()
    assert killed.stdout.readline() == "building\n"
    cache = Cache(tmp_path / "cache")
    cache.folder("b", writes())
    assert entries(cache) == {".a.tmp", "b"}  # it may still be building
    killed.kill()
    killed.communicate()
    cache.folder("c", writes())
    assert entries(cache) == {"b", "c"}


def test_the_entries_unused_for_longest_go_first(cache):
    for hours, key in ((5, "a"), (4, "b"), (3, "c")):
        used_hours_ago(cache.folder(key, writes(30_000)), hours)
    cache.find("a")  # a use
    cache.folder("new", writes(60_000))
    assert entries(cache) == {"a", "new"}


def test_entries_in_use_stay_even_over_the_limit(cache):
    for key in ("a", "b", "c"):
        used_hours_ago(cache.folder(key, writes(60_000)), 0.9)
    assert entries(cache) == {"a", "b", "c"}


def test_clearing_says_what_is_free_again(cache):
    cache.folder("a", writes(60_000))
    cache.write_note("note", {"x": 1})
    assert cache.note("note") == {"x": 1}
    assert 60_000 < cache.size() == cache.clear() < 61_000
    assert (cache.find("a"), cache.note("note"), cache.size()) == (None, None, 0)
    cache.folder("a", writes())


def test_a_full_disk_is_told_in_a_sentence(cache):
    def fill(folder: Path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(TextuneError, match="cannot be written: No space left on device; free space"):
        cache.folder("a", fill)


def test_the_limit_can_be_set(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path))
    monkeypatch.setenv("TEXTUNE_CACHE_BYTES", "12345")
    assert (Cache().max_bytes, Cache().root.parent) == (12345, tmp_path)
    monkeypatch.setenv("TEXTUNE_CACHE_BYTES", "10 GB")
    with pytest.raises(TextuneError, match="TEXTUNE_CACHE_BYTES is '10 GB'; give a whole number of bytes"):
        Cache()


def test_a_key_depends_on_every_part():
    keys = [content_key(*parts) for parts in (("a", 1), ("a", "1"), ("a", 1, None), ("b", 1), ("a", [1]))]
    assert len(set(keys)) == len(keys)
    assert content_key("a", {"x": 1.5}) == content_key("a", {"x": 1.5})
