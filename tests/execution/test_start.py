"""Where sockets lie, and what the caller's process keeps of starting workers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from textune.errors import FatalError
from textune.execution import start as starting

PROGRAM = """
import multiprocessing.util, os, sys, time
from textune.execution.processes import ProcessesConfig
from textune.records import TrialSpec
from textune.testing.executors import finish
from textune.testing.quadratic import Quadratic
before = dict(os.environ)
executor = ProcessesConfig(devices="cpu", workers=1).build(Quadratic())
executor.submit(TrialSpec(number=0))
end = finish(executor, 0)[-1].end
assert dict(os.environ) == before
print(end, multiprocessing.util.get_temp_dir(), flush=True)
if sys.stdin.readline() == "close\\n":
    executor.close()
"""


@pytest.fixture
def start():
    """Starts a program that runs a trial with this folder for temporary files; gives it and where its sockets are."""
    started = []

    def start(folder, *arguments):
        folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def said(process):
    end, place = process.stdout.readline().split()
    assert end == "finished"
    return Path(place)


def test_a_long_path_for_temporary_files_does_not_matter(start, tmp_path):
    place = said(start(tmp_path / ("long" * 30)))
    assert place.parent.name.startswith("textune-")
    assert place.parent.parent == Path("/tmp")


def test_what_a_kill_leaves_for_temporary_files_is_removed_by_the_next_start(start, tmp_path):
    place = tmp_path.parent / "t"  # short enough for sockets
    (place / "textune-notes").mkdir(parents=True)
    (place / "textune-1-notes_12").symlink_to(tmp_path)
    killed, running = start(place), start(place)
    left, used = said(killed), said(running)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.exists()
    third = start(place)
    said(third)
    assert not left.parent.exists()
    assert used.exists()
    for process in (running, third):
        process.communicate("close\n", timeout=60)
    assert sorted(path.name for path in place.iterdir()) == ["textune-1-notes_12", "textune-notes"]


def test_where_no_path_is_short_enough_a_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(starting, "_places", lambda: [Path("/" + "long" * 30)])
    with pytest.raises(FatalError, match=r"too long for a socket in it; set TMPDIR to a folder with at most \d+ bytes"):
        starting._make_socket_folder.__wrapped__()
