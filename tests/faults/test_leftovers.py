"""What killed attempts and writers leave in a run folder is removed by the next start, and nothing else is."""

import shutil

import pytest

from textune import commands
from textune.records import EndReason, Objective, StudyStart, TrialResult, TrialSpec
from textune.resume import remove_leftovers
from textune.run_folder import CHECKPOINT, RunFolder
from textune.storage import written_atomically
from textune.tracking.log import EventLog, read_past

TEMPORARY = [
    ".report.html.4711-139812.tmp",
    "trials/0001/attempt-1/.checkpoint.safetensors.4711.tmp",
    "trials/0001/attempt-1/.tmpt0Evfe",
    "trials/0001/attempt-1/.model.4711-0a1b2c3d.tmp/model.safetensors",
    "best/.textune.json.4711-139812.tmp",
]


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_study_that_goes_on_removes_temporary_files_that_nobody_writes(finished, tiny_study, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder.path, folder)
    for name in TEMPORARY:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"half")
    kept = folder / ".mine.tmp", folder / "trials" / "notes.txt"
    for path in kept:
        path.write_text("mine", encoding="utf-8")
    with written_atomically(folder / "report.html") as file:
        file.write((folder / "report.html").read_bytes())
        commands.run(tiny_study, out=folder, quiet=True)  # it is finished, and says so
        left = {path.name for path in folder.rglob("*.tmp")} | {path.name for path in folder.rglob(".tmp*")}
        assert left == {".mine.tmp", file.name.rpartition("/")[2]}
    assert all(path.exists() for path in kept)


@pytest.mark.parametrize("phase", ["search", "search-1", "full/12", "confirmation/12", "fidelity/trainings"])
def test_of_ended_trials_nothing_stays_that_they_needed_to_go_on(tmp_path, phase):
    folder = RunFolder.create(tmp_path / "run")
    place = folder.of_phase(phase)
    log = EventLog(folder.path)
    log.start(StudyStart(name="study", objective=Objective()))
    for trial, attempts in ((0, 2), (1, 1), (2, 2)):
        for attempt in range(1, attempts + 1):
            log.record(TrialSpec(number=trial, attempt=attempt), phase)
            final = attempt == attempts and trial != 2
            end = EndReason.FINISHED if final else EndReason.WORKER_LOST
            log.record(TrialResult(trial=trial, attempt=attempt, end=end, reason="", final=final), phase)
            place.model(trial, attempt).mkdir(parents=True)
            (place.model(trial, attempt) / "model.safetensors").write_bytes(b"weights")
            (place.attempt(trial, attempt) / CHECKPOINT).write_bytes(b"state")
    log.close()
    remove_leftovers(read_past(folder.path), folder)
    models = {path.relative_to(folder.path).as_posix() for path in folder.path.rglob("model")}
    checkpoints = {path.relative_to(folder.path).as_posix() for path in folder.path.rglob(CHECKPOINT)}
    root = place.attempts
    goes_on = {f"{root}/0002/attempt-1", f"{root}/0002/attempt-2"}
    assert checkpoints == {f"{each}/{CHECKPOINT}" for each in goes_on}
    assert models == {f"{each}/model" for each in (*goes_on, f"{root}/0000/attempt-2", f"{root}/0001/attempt-1")}


def test_a_trial_that_ends_in_another_attempt_leaves_one_model(tmp_path):
    folder = RunFolder(tmp_path)
    for attempt in (1, 2):
        folder.model(0, attempt).mkdir(parents=True)
    folder.drop_leftovers(0, 2)
    assert [folder.model(0, attempt).exists() for attempt in (1, 2)] == [False, True]


def test_what_a_killed_worker_was_writing_is_removed_when_its_trial_ends(tmp_path):
    """Its study may come to its end before another start would look for it."""
    folder = RunFolder.create(tmp_path / "run")
    first, second = folder.attempt(0, 1), folder.attempt(0, 2)
    (first / ".model.4711-0a1b2c3d.tmp").mkdir(parents=True)
    (first / ".model.4711-0a1b2c3d.tmp" / "model.safetensors").write_bytes(b"half")
    (first / ".tmpt0Evfe").write_bytes(b"half")
    second.mkdir()
    with written_atomically(second / "outcomes.npz") as file:
        folder.drop_leftovers(0, 2)
        assert files(folder.path) == {f"trials/0000/attempt-2/{file.name.rpartition('/')[2]}"}, "it is being written"
