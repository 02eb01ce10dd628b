"""Files and folders that are written whole or not at all, and what is left of them by a kill."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from textune.storage import folder_written_atomically, write_atomically, written_atomically
from textune.temporary import (
    is_temporary,
    remove_abandoned,
    remove_abandoned_beside,
    remove_folder,
    temporary_file,
    temporary_folder,
)
from textune.training.engine.checkpoint import write_state

KILLED = """
import os, signal, sys
from pathlib import Path
from textune.temporary import temporary_file, temporary_folder
with {how}(Path(sys.argv[1]) / "wanted") as made:
    print(getattr(made, "name", None) if "file" in "{how}" else made, flush=True)
    sys.stdin.readline()
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_half_way(path):
    path.write_text("new")
    raise ValueError("half")


class TestAFile:
    def test_is_the_old_one_after_an_error(self, tmp_path):
        write_atomically(tmp_path / "file", "old")
        with pytest.raises(ValueError, match="half"), written_atomically(tmp_path / "file") as file:
            fail_half_way(Path(file.name))
        assert (tmp_path / "file").read_text() == "old"
        assert names(tmp_path) == ["file"]

    def test_takes_the_place_of_a_link(self, tmp_path):
        (tmp_path / "precious").write_text("old")
        (tmp_path / "file").symlink_to(tmp_path / "precious")
        write_atomically(tmp_path / "file", "new")
        assert (tmp_path / "precious").read_text() == "old"
        assert (tmp_path / "file").read_text() == "new"
        assert not (tmp_path / "file").is_symlink()


class TestAFolder:
    @pytest.mark.parametrize("before", ["nothing", "a folder", "a link"])
    def test_takes_the_place_of_what_was_there(self, tmp_path, before):
        place, elsewhere = tmp_path / "in" / "model", tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "precious").write_text("old")
        place.parent.mkdir()
        if before == "a folder":
            place.mkdir()
            (place / "other").write_text("old")
        elif before == "a link":
            place.symlink_to(elsewhere)
        with folder_written_atomically(place) as folder:
            (folder / "weights").write_text("new")
            assert not (place / "weights").exists()
        assert names(place) == ["weights"]
        assert names(place.parent) == ["model"]
        assert names(elsewhere) == ["precious"]

    def test_is_the_old_one_after_an_error(self, tmp_path):
        (tmp_path / "model").mkdir()
        with pytest.raises(ValueError, match="half"), folder_written_atomically(tmp_path / "model") as folder:
            fail_half_way(folder / "weights")
        assert names(tmp_path) == ["model"]
        assert names(tmp_path / "model") == []

    def test_is_removed_but_not_through_a_link(self, tmp_path):
        (tmp_path / "precious").mkdir()
        (tmp_path / "link").symlink_to("precious")
        for name in ("link", "missing", "link"):
            remove_folder(tmp_path / name)
        assert names(tmp_path) == ["precious"]
        remove_folder(tmp_path / "precious")
        assert names(tmp_path) == []


class TestWhatAKillLeaves:
    @pytest.mark.parametrize("how", ["temporary_file", "temporary_folder"])
    def test_is_removed_once_nobody_holds_it(self, tmp_path, how):
        command = [sys.executable, "-c", KILLED.format(how=how), tmp_path]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            left = tmp_path / process.stdout.readline().strip()
            assert is_temporary(left.name)
            remove_abandoned(left)
            assert left.exists()
            process.send_signal(signal.SIGKILL)
            process.wait()
        remove_abandoned(left)
        assert names(tmp_path) == []

    def test_is_nothing_of_a_writer_that_ends(self, tmp_path):
        for _ in range(2):
            with temporary_file(tmp_path / "file"), temporary_folder(tmp_path / "folder"):
                assert len(names(tmp_path)) == 2
            assert names(tmp_path) == []

    def test_beside_a_file_is_removed_by_its_next_writer(self, tmp_path):
        left = [tmp_path / ".out[1].csv.4711-139812.tmp", tmp_path / ".out[1].csv.4711-0a1b2c3d.tmp"]
        others = [tmp_path / ".out1.csv.4711-139812.tmp", tmp_path / ".out[1].csv.mine.tmp"]
        for path in (*left, *others):
            path.write_text("half")
        with written_atomically(tmp_path / "out[1].csv") as file:
            remove_abandoned_beside(tmp_path / "out[1].csv")
            assert Path(file.name).exists()
        assert [path.exists() for path in (*left, *others)] == [False, False, True, True]

    def test_of_a_link_is_not_followed(self, tmp_path):
        (tmp_path / "precious").write_text("old")
        (tmp_path / ".x.1-1.tmp").symlink_to(tmp_path / "precious")
        remove_abandoned(tmp_path / ".x.1-1.tmp")
        assert (tmp_path / "precious").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (".report.html.4711-139812.tmp", True),
        (".checkpoint.safetensors.4711.tmp", True),
        (".tmpt0Evfe", True),  # of safetensors
        (".key-12.tmp", False),
        (".lock", False),
        ("report.html", False),
        ("mine.4711-12.tmp", False),
    ],
)
def test_names_tell_what_is_temporary(name, told):
    assert is_temporary(name) is told


def test_a_checkpoint_is_written_inside_what_can_be_removed(tmp_path, monkeypatch):
    """The safetensors library has a temporary file of its own, under a name that tells no process."""
    seen = []
    replace = type(tmp_path).replace
    monkeypatch.setattr(type(tmp_path), "replace", lambda path, to: (seen.append(path), replace(path, to)))
    write_state(tmp_path / "checkpoint.safetensors", {"weights": torch.zeros(2)})
    assert [is_temporary(path.parent.name) for path in seen] == [True]
    assert names(tmp_path) == ["checkpoint.safetensors"]
