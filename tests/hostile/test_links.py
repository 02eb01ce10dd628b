"""Run folders from elsewhere with symbolic links in them: nothing outside is ever written or removed."""

import shutil

import pytest

from textune import commands
from textune.errors import RunFolderError
from textune.run_folder import RunFolder

PLACES = [
    ".lock",
    "events.jsonl",
    "study.yaml",
    "study.json",
    "trials.csv",
    "confirmation.csv",
    "fidelity.json",
    "fidelity.html",
    "report.html",
    "test-outcomes.npz",
    "trials",
    "trials/0001",
    "trials/0001/attempt-1",
    "trials/0001/attempt-1/model",
    "trials/0001/attempt-1/log.txt",
    "trials/0001/attempt-1/outcomes.npz",
    "trials/0001/attempt-1/checkpoint.safetensors",
    "trials/0007",
    "confirmation",
    "fidelity",
    "best",
    "best/model.safetensors",
    ".report.html.1-1.tmp",
    "anything else",
]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder of things that are dear to somebody."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "file").write_text("dear", encoding="utf-8")
    (folder / "folder" / "model").mkdir(parents=True)
    (folder / "folder" / "model" / "file").write_text("dear", encoding="utf-8")
    return folder


def everything(folder):
    paths = (path for path in folder.rglob("*") if path.name != ".lock" or path.is_symlink())
    return {path: path.read_bytes() if path.is_file() else None for path in paths}


def linked(folder, place, elsewhere):
    """Puts a link into a run folder in place of what is there, if anything is."""
    path = folder / place
    kind = "folder" if path.is_dir() or "." not in path.name else "file"
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(elsewhere / kind)


@pytest.mark.parametrize("place", PLACES)
def test_a_study_does_not_run_in_a_folder_with_a_link(finished, tiny_study, tmp_path, elsewhere, textune, place):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder.path, folder)
    linked(folder, place, elsewhere)
    before = everything(elsewhere), everything(folder)
    more = {**tiny_study, "search": {**tiny_study["search"], "trials": 4}}
    for run in (commands.run, commands.fidelity):
        with pytest.raises(RunFolderError, match=r"is a symbolic link, .*remove it, or name another folder with --out"):
            run(more, out=folder, quiet=True)
    assert (everything(elsewhere), everything(folder)) == before


@pytest.mark.parametrize("place", [".lock", "report.html", "trials"])
def test_a_folder_with_a_link_is_moved_aside_and_reported_on_without_following_it(
    finished, tiny_study, tmp_path, elsewhere, place
):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder.path, folder)
    linked(folder, place, elsewhere)
    before = everything(elsewhere)
    commands.report(folder)
    assert not (folder / "report.html").is_symlink()
    if place == ".lock":
        with pytest.raises(RunFolderError, match="is a symbolic link"):
            RunFolder.create(folder)
    else:
        assert RunFolder.create(folder).path == folder
        assert (tmp_path / "run.1" / "events.jsonl").exists()
    assert everything(elsewhere) == before


def test_the_run_folder_may_itself_be_named_by_a_link(tiny_study, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    for trials in (1, 2):
        study = {**tiny_study, "search": {**tiny_study["search"], "trials": trials}}
        assert commands.run(study, out=tmp_path / "run", quiet=True).exit_code == 0
    assert (tmp_path / "disk" / "best" / "model.safetensors").is_file()
