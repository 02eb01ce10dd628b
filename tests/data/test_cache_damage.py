"""A cache that is damaged, full, read-only or in use by others gives sound entries or a sentence."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from textune.data import FilesConfig, GivenConfig, WordsConfig, load_rows, prepare
from textune.data.cache import CONTENTS, Cache
from textune.data.prepare import forget
from textune.errors import FatalError
from textune.storage import written_atomically

BUILT = b"what was built, " * 1000


def writes(folder: Path):
    (folder / "data").write_bytes(BUILT)
    (folder / "more").write_bytes(b"more")


def never(folder: Path):
    raise AssertionError("built again")


def rewrite(path: Path, content: bytes):
    path.write_bytes(content)
    os.utime(path, ns=(0, time.time_ns() + 10**9))  # clocks of file systems are coarse


def at_the_same_time(path: Path, content: bytes):
    """As a disk does it that is at fault."""
    stat = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


DAMAGE = {
    "cut off": lambda entry: os.truncate(entry / "data", 10),
    "emptied": lambda entry: rewrite(entry / "data", b""),
    "changed at equal length": lambda entry: rewrite(entry / "data", BUILT[:-1] + b"!"),
    "zeros, at the same time": lambda entry: at_the_same_time(entry / "data", bytes(len(BUILT))),
    "a beginning of zeros, at the same time": lambda entry: at_the_same_time(entry / "data", bytes(9) + BUILT[9:]),
    "an end of zeros, at the same time": lambda entry: at_the_same_time(entry / "data", BUILT[:-9] + bytes(9)),
    "zeros": lambda entry: rewrite(entry / "data", bytes(len(BUILT))),
    "a file gone": lambda entry: (entry / "more").unlink(),
    "a folder for a file": lambda entry: ((entry / "more").unlink(), (entry / "more").mkdir()),
    "no list": lambda entry: (entry / CONTENTS).unlink(),
    "a list cut off": lambda entry: os.truncate(entry / CONTENTS, 10),
    "another list": lambda entry: rewrite(entry / CONTENTS, b"[1]"),
    "a list of other things": lambda entry: rewrite(entry / CONTENTS, b'{"data": null}'),
    "a list that is no text": lambda entry: rewrite(entry / CONTENTS, b"\xff" * 50),
    "nested lists": lambda entry: rewrite(entry / CONTENTS, b"[" * 100_000),
    "all gone": lambda entry: [path.unlink() for path in entry.iterdir()],
}


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_built_again(cache, damage):
    damage(cache.folder("a", writes))
    assert cache.find("a") is None
    entry = cache.folder("a", writes)
    assert (entry / "data").read_bytes() == BUILT
    assert cache.folder("a", never) == cache.find("a") == entry


def test_an_entry_is_sound_wherever_it_was_copied(cache, tmp_path):
    cache.folder("a", writes)
    shutil.copytree(cache.root, tmp_path / "copy", copy_function=shutil.copyfile)
    assert Cache(tmp_path / "copy").folder("a", never)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"value": 1, "crc": 0}', b"null", b"\xff", b"[" * 100_000])
def test_a_damaged_note_is_none(cache, content):
    cache.write_note("n", {"x": [1, "\u00e4", 1.5, None]})
    assert cache.note("n") == {"x": [1, "\u00e4", 1.5, None]}
    (cache.root / "n.json").write_bytes(content)
    assert cache.note("n") is None


def prepared(cache, folder):
    forget()
    return prepare(FilesConfig(path="x.csv"), GivenConfig(), WordsConfig(), 0, [folder], cache)


def test_prepared_data_survives_the_damage_of_any_of_its_files(cache, tmp_path):
    (tmp_path / "x.csv").write_text("text,label\n" + "a good day,yes\na bad one,no\n" * 20)
    os.utime(tmp_path / "x.csv", (0, 0))
    before = prepared(cache, tmp_path)
    texts, labels_N, ids_L = list(before.rows.texts), before.labels_N.copy(), before.fold(0)[1].ids_L.copy()
    files = [path for path in cache.root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert len(files) > 12
    for path in files:
        content = path.read_bytes()
        for damaged in (content[: len(content) // 2], content[:-1] + bytes([content[-1] ^ 1])):
            if path.exists():
                rewrite(path, damaged)
            again = prepared(cache, tmp_path)
            assert list(again.rows.texts) == texts
            np.testing.assert_array_equal(again.fold(0)[1].ids_L, ids_L)
            np.testing.assert_array_equal(again.labels_N, labels_N)


def test_data_at_hand_is_read_again_when_its_entry_is_damaged(cache, tmp_path):
    (tmp_path / "x.csv").write_text("text,label\n" + "a good day,yes\na bad one,no\n" * 20)
    data = prepared(cache, tmp_path)
    ids = data.fold(0)[1].ids_L.copy()
    (entry,) = cache.root.glob("ids-*")
    content = (entry / "ids.npy").read_bytes()
    rewrite(entry / "ids.npy", content[:-8] + bytes(8))
    np.testing.assert_array_equal(data.fold(0)[1].ids_L, ids)


@pytest.mark.parametrize("name", ["labels_N.npy", "texts.npy", "offsets.npy"])
def test_rows_at_hand_are_read_again_when_their_entry_is_damaged(cache, tmp_path, name):
    (tmp_path / "x.csv").write_text("text,label\n" + "a good day,yes\na bad one,no\n" * 20)
    os.utime(tmp_path / "x.csv", (0, 0))
    rows = prepared(cache, tmp_path).rows
    texts, labels_N = list(rows.texts), rows.labels_N.tolist()
    (entry,) = cache.root.glob("rows-*")
    size = (entry / name).stat().st_size
    with (entry / name).open("r+b") as file:  # in place, so that what is mapped changes
        file.write(bytes(size))
    again = prepare(FilesConfig(path="x.csv"), GivenConfig(), WordsConfig(), 0, [tmp_path], cache).rows
    assert (list(again.texts), again.labels_N.tolist()) == (texts, labels_N)


KILLED = """
import sys, time
from pathlib import Path
from textune.data.cache import Cache
def build(folder):
    (folder / "data").write_text("half")
    print("building", flush=True)
    time.sleep(60)
Cache(Path(sys.argv[1])).folder("a", build)
"""


def test_what_a_killed_build_wrote_is_never_an_entry(cache):
    command = [sys.executable, "-c", KILLED, str(cache.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout.readline() == "building\n"
        assert cache.find("a") is None
        builder.send_signal(signal.SIGKILL)
        builder.wait()
    assert cache.find("a") is None
    assert (cache.folder("a", writes) / "data").read_bytes() == BUILT
    assert not list(cache.root.glob(".*.tmp"))


def test_what_a_killed_writer_of_a_note_left_is_removed_and_not_what_another_writes(cache):
    left = cache.root / ".n.json.1-1.tmp"
    left.write_text("half")
    with written_atomically(cache.root / "m.json") as file:
        cache.folder("a", writes)
        assert (left.exists(), Path(file.name).exists()) == (False, True)
    assert (cache.root / "m.json").exists()


SEVERAL = """
import sys
from pathlib import Path
from textune.data.cache import Cache
cache = Cache(Path(sys.argv[1]), max_bytes=1)
for number in range(150):
    entry = cache.folder(f"e{number % 7}", lambda folder: (folder / "data").write_text("whole" * 100))
    cache.write_note("n", [number])
    cache.note("n")
    try:
        text = (entry / "data").read_text()
    except FileNotFoundError:
        continue  # cleared by another process
    assert text == "whole" * 100
    if number % 20 == int(sys.argv[2]):
        cache.clear()
"""


def test_several_processes_build_read_and_clear_at_once(cache):
    commands = [[sys.executable, "-c", SEVERAL, str(cache.root), str(number)] for number in range(4)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    assert [process.communicate()[1] for process in processes] == [""] * 4


LIMITED = """
import resource, sys
from pathlib import Path
from textune.data import Cache
from textune.errors import FatalError
from textune.storage import written_atomically
import numpy as np
cache = Cache(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
for build in (
    lambda folder: (folder / "data").write_bytes(bytes(20_000)),
    lambda folder: np.save(folder / "data.npy", np.zeros(20_000)),
):
    try:
        cache.folder("a", build)
    except FatalError as error:
        print(error)
cache.write_note("n", "x" * 20_000)
assert cache.note("n") is None and cache.find("a") is None
cache.folder("b", lambda folder: (folder / "data").write_bytes(bytes(100)))
"""


def test_files_that_may_not_grow_end_in_a_sentence(cache):
    command = [sys.executable, "-c", LIMITED, str(cache.root)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == 2
    for line in said:
        assert line.startswith(f"the cache {cache.root} cannot be written: ")
        assert "'textune cache --clear'" in line
    assert {path.name for path in cache.root.iterdir() if path.suffix not in (".lock", ".json")} == {"b"}


def test_a_cache_that_is_no_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FatalError, match="TEXTUNE_CACHE to another folder"):
        Cache(tmp_path / "file" / "cache")


@pytest.fixture
def disk(tmp_path):
    """A file system of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_and_nothing_of_the_entry_stays(disk):
    cache = Cache(disk / "cache")
    kept = cache.folder("small", writes)
    for build in (
        lambda folder: (folder / "data").write_bytes(bytes(500_000)),
        lambda folder: np.save(folder / "data.npy", np.zeros(100_000)),
    ):
        with pytest.raises(FatalError, match=r"cannot be written: .*free space"):
            cache.folder("large", build)
    assert cache.find("large") is None
    assert cache.folder("small", never) == kept
    cache.folder("medium", lambda folder: (folder / "data").write_bytes(bytes(200_000)))


def test_a_read_only_cache_serves_what_it_holds(disk, tmp_path):
    cache = Cache(disk / "cache")
    entry = cache.folder("a", writes)
    cache.write_note("n", 1)
    (tmp_path / "x.csv").write_text("text,label\na,yes\nb,no\n")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    cache = Cache(disk / "cache")
    assert (cache.find("a"), cache.folder("a", never), cache.note("n")) == (entry, entry, 1)
    cache.write_note("n", 2)
    with pytest.raises(FatalError, match="cannot be written: Read-only file system"):
        cache.folder("b", writes)
    with pytest.raises(FatalError, match="cannot be written: Read-only file system"):
        load_rows(FilesConfig(path="x.csv"), [tmp_path], 0, cache)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
