"""A run folder that was moved, or is used from another working directory, is used as if it had always been there."""

import json
import shutil
from pathlib import Path

import pytest

from textune import commands
from textune.tracking.log import read_study

EARLIER = Path(__file__).parent / "compatibility" / "fixtures"


@pytest.fixture(scope="module")
def undisturbed():
    return read_study(EARLIER / "finished")


@pytest.fixture
def moved(tmp_path, monkeypatch):
    """Returns a function that copies a folder to where its log does not say it is, and returns its new place."""

    def move(name):
        shutil.copytree(EARLIER / name, tmp_path / "archive" / f"{name}-moved")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        return tmp_path / "archive" / f"{name}-moved"

    return move


@pytest.mark.parametrize("place", ["absolute", "relative"])
@pytest.mark.parametrize("name", ["in-search", "in-confirmation"])
def test_an_interrupted_study_is_resumed_where_it_is_now(moved, undisturbed, name, place):
    folder = moved(name)
    out = folder if place == "absolute" else Path("..") / "archive" / folder.name
    resumed = commands.run(EARLIER / "tiny.json", out=out, quiet=True).record
    assert resumed.state == "done"
    for ours, theirs in ((resumed.trials, undisturbed.trials), (resumed.repeats, undisturbed.repeats)):
        assert [each.result.value for each in ours] == [each.result.value for each in theirs]
    assert resumed.confirmation["chosen"] == undisturbed.confirmation["chosen"]
    assert resumed.test["metrics"] == undisturbed.test["metrics"]
    assert not list(Path().iterdir())
    assert not list(folder.glob("*/*/*/checkpoint.safetensors"))


def test_a_checkpoint_of_a_moved_folder_is_used(moved):
    folder = moved("in-search")
    trial = commands.run(EARLIER / "tiny.json", out=folder, quiet=True).record.trials[1]
    assert (trial.spec.attempt, Path(trial.spec.checkpoint).parent) == (2, folder / "trials" / "0001" / "attempt-1")
    assert [progress.attempt for progress in trial.progress] == [1, 2]


def test_a_moved_folder_is_shown_reported_and_predicts(moved, textune):
    folder = moved("finished")
    assert json.loads(textune("show", folder, "--json").out) == commands.show(EARLIER / "finished", as_json=True)
    assert textune("report", folder).out.strip() == str(folder / "report.html")
    Path("texts.txt").write_text("a fine film\n", encoding="utf-8")
    assert textune("predict", folder, "texts.txt").code == 0


@pytest.mark.parametrize("name", ["finished", "in-confirmation", "fidelity"])
def test_trials_are_said_to_be_where_the_folder_is(moved, name):
    folder = moved(name)
    record = read_study(folder)
    for trial in (*record.trials, *record.repeats):
        assert Path(trial.spec.folder).is_relative_to(folder)
        if trial.result is not None and trial.result.final:
            assert (Path(trial.result.folder) / "outcomes.npz").is_file()


def test_a_confirmation_that_compares_rows_finds_what_its_trainings_left(tiny_study, tmp_path):
    confirm = {"top": 2, "rows": "same", "max_repeats": 3}
    study = {**tiny_study, "search": {**tiny_study["search"], "trials": 2, "deterministic": True}, "confirm": confirm}
    whole = commands.run(study, out=tmp_path / "before", quiet=True)
    (tmp_path / "before").rename(tmp_path / "after")
    events = tmp_path / "after" / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    in_confirmation = [number for number, line in enumerate(lines) if b'"phase":"confirmation/' in line]
    events.write_bytes(b"".join(lines[: in_confirmation[-2]]))  # before the last training ended
    resumed = commands.run(study, out=tmp_path / "after", quiet=True)
    assert resumed.record.confirmation["comparisons"] == whole.record.confirmation["comparisons"]
