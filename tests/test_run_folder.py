from pathlib import Path

import pytest

from textune.errors import RunFolderError
from textune.run_folder import RunFolder
from textune.storage import FolderLock


@pytest.fixture
def run(tmp_path):
    """A run folder as a study that has ended leaves it."""
    folder = RunFolder.create(tmp_path / "runs" / "mine")
    FolderLock(folder.path).release()
    folder.events.write_text("{}\n", encoding="utf-8")
    return folder


class TestAnExistingRun:
    def test_is_found_again(self, run):
        assert RunFolder.at(run.path) == run
        assert RunFolder.at(run.path.with_name("another")) is None

    def test_is_moved_aside_by_a_new_one(self, run):
        for number in (1, 2):
            RunFolder.create(run.path).events.write_text(f"{number}", encoding="utf-8")
        assert run.events.read_text(encoding="utf-8") == "2"
        assert (run.path.parent / "mine.1" / "events.jsonl").read_text(encoding="utf-8") == "{}\n"
        assert (run.path.parent / "mine.2" / "events.jsonl").read_text(encoding="utf-8") == "1"

    def test_that_still_runs_keeps_its_folder(self, run):
        with FolderLock(run.path), pytest.raises(RunFolderError, match="mine is in use by process"):
            RunFolder.create(run.path)
        assert run.events.exists()
        assert [path.name for path in run.path.parent.iterdir()] == ["mine"]

    def test_that_died_before_its_first_event_is_one_too(self, run):
        run.events.unlink()
        assert RunFolder.create(run.path).path.is_dir()
        assert (run.path.parent / "mine.1").is_dir()


class TestAFolderOfSomethingElse:
    @pytest.mark.parametrize("use", [RunFolder.at, RunFolder.create])
    def test_is_never_moved(self, tmp_path, use):
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter-1.tex").write_text("words", encoding="utf-8")
        with pytest.raises(RunFolderError, match="thesis exists and is no run folder; name another folder with --out"):
            use(tmp_path / "thesis")
        assert (tmp_path / "thesis" / "chapter-1.tex").exists()

    @pytest.mark.parametrize("use", [RunFolder.at, RunFolder.create])
    def test_may_be_a_file(self, tmp_path, use):
        (tmp_path / "file").write_text("words", encoding="utf-8")
        with pytest.raises(RunFolderError, match="is no run folder"):
            use(tmp_path / "file")

    def test_is_used_if_it_is_empty(self, tmp_path):
        (tmp_path / "empty").mkdir()
        assert RunFolder.create(tmp_path / "empty").path == tmp_path / "empty"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("words", encoding="utf-8")
    with pytest.raises(RunFolderError, match="run cannot be made: Not a directory; name another folder with --out"):
        RunFolder.create(tmp_path / "file" / "run")


def test_a_run_is_found_by_its_path_and_by_its_name(run, monkeypatch):
    monkeypatch.chdir(run.path.parent.parent)
    assert RunFolder.find(run.path) == run
    assert RunFolder.find(Path("mine")).path.resolve() == run.path
    with pytest.raises(RunFolderError, match="nope is no run folder"):
        RunFolder.find(run.path.with_name("nope"))


def test_every_place_is_inside_the_folder(run):
    places = (run.study_file, run.resolved_study, run.events, run.table, run.report, run.best)
    assert {place.parent for place in places} == {run.path}
    assert run.outcomes(7).relative_to(run.path).as_posix() == "trials/0007/attempt-1/outcomes.npz"
    assert run.model(7, 2).relative_to(run.path).as_posix() == "trials/0007/attempt-2/model"


def test_the_last_checkpoint_is_that_of_the_latest_attempt_that_left_one(run):
    assert run.last_checkpoint(3, 2) is None
    for attempt in (1, 2):
        run.attempt(3, attempt).mkdir(parents=True)
        (run.attempt(3, attempt) / "checkpoint.safetensors").write_bytes(b"")
        assert run.last_checkpoint(3, 5) == run.attempt(3, attempt) / "checkpoint.safetensors"
    assert run.last_checkpoint(3, 1) == run.attempt(3, 1) / "checkpoint.safetensors"
    run.drop_leftovers(3, 2)
    assert run.last_checkpoint(3, 5) is None
