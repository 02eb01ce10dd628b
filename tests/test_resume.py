"""A run folder goes on: what may change, what is refused, and what happens when the hand-over was cut off."""

import json
import shutil
from dataclasses import replace
from importlib import metadata

import pytest

from textune import commands
from textune.config.load import load_study
from textune.errors import RunFolderError
from textune.records import Objective, StudyStart
from textune.resume import refuse_other_study
from textune.run_folder import RunFolder
from textune.tracking.line_log import LineLog, read_events
from textune.tracking.log import read_past, read_study


@pytest.fixture
def run(tiny_study, finished, tmp_path):
    """Returns a function that goes on with a copy of the finished study, its settings changed by dotted path."""
    folder = tmp_path / "run"
    shutil.copytree(finished.folder.path, folder)

    def go_on(**changes):
        overrides = [f"{path.replace('__', '.')}={json.dumps(value)}" for path, value in changes.items()]
        return commands.run(tiny_study, out=folder, overrides=overrides, quiet=True)

    go_on.folder = RunFolder(folder)
    return go_on


def rewrite(folder, change):
    """Writes the log anew with what `change` makes of each line."""
    lines, _ = read_events(folder.events)
    folder.events.unlink()
    with LineLog(folder.events) as log:
        for line in lines:
            if (line := change(line)) is not None:
                log.append(line)


def events(folder):
    return [line["event"] for line in read_events(folder.events)[0]]


class TestAFinishedStudy:
    def test_says_so_and_changes_nothing(self, run):
        before, record = run.folder.events.read_bytes(), read_study(run.folder.path)
        again = run()
        assert again.exit_code == 0
        assert again.record == record
        assert run.folder.events.read_bytes() == before

    def test_gets_the_report_that_was_not_written(self, run):
        run.folder.report.unlink()
        run()
        assert run.folder.report.is_file()

    def test_goes_on_with_more_trials_and_counts_another_reading(self, run, finished):
        before = read_study(run.folder.path)
        more = run(search__trials=5)
        assert [trial.spec.number for trial in more.record.trials] == [0, 1, 2, 3, 4]
        assert more.record.trials[:3] == before.trials
        assert more.record.test["readings"] > finished.record.test["readings"]
        assert events(run.folder).count("study-resumed") == 1
        assert len(run.folder.table.read_text(encoding="utf-8").splitlines()) == 1 + 5
        assert (run.folder.best / "model.safetensors").exists()

    def test_goes_on_with_another_executor_and_tracker(self, run):
        assert run(search__trials=4, execution__kind="processes", execution__workers=1, tracking=[]).exit_code == 0


class TestAnotherStudyIsRefused:
    def test_with_the_differences(self, run):
        before = run.folder.events.read_bytes()
        with pytest.raises(RunFolderError) as error:
            run(training__epochs=4, model__pooling="mean", search__trials=9)
        text = str(error.value)
        assert "holds another study" in text
        assert "  training.epochs: 3 there, 4 now\n" in text
        assert "  model.pooling.kind: max there, mean now\n" in text
        assert "search.trials:" not in text
        assert run.folder.events.read_bytes() == before

    def test_with_other_data(self, run):
        def changed(line):
            if line["event"] == "study-started":
                line["content"]["header"]["data"]["fingerprint"] = "0123456789abcdef"
            return line

        rewrite(run.folder, changed)
        with pytest.raises(
            RunFolderError, match=r"the data changed since the study began .fingerprint 0123456789ab before, "
        ):
            run(search__trials=4)

    def test_that_runs(self, run):
        from textune.storage import FolderLock

        with FolderLock(run.folder.path), pytest.raises(RunFolderError, match="is in use by process"):
            run()


def test_other_versions_are_noted(run):
    def older(line):
        if line["event"] == "study-started":
            line["content"]["header"]["versions"]["torch"] = "2.0.0"
        return line

    rewrite(run.folder, older)
    (note,) = run(search__trials=4).record.header["notes"]
    assert note.startswith("from trial 3 on with other versions")
    assert f"torch 2.0.0 → {metadata.version('torch')}" in note


def test_settings_that_came_with_a_later_version_do_not_differ(run):
    def older(line):
        if line["event"] == "study-started":
            del line["content"]["header"]["config"]["training"]["max_skipped_steps"]
        return line

    rewrite(run.folder, older)
    assert run(search__trials=4).exit_code == 0


@pytest.mark.parametrize(
    ("stage", "setting", "refused"),
    [(1, "trials", None), (0, "trials", "search.0.trials: 5 there, 9 now"), (1, "lag", "search.1.lag: 8 there, 9 now")],
)
def test_of_a_search_in_stages_the_last_may_get_more_trials(finished, stage, setting, refused):
    stages = [{"space": {"training.epochs": [1, 2]}, "trials": 5}, {"space": {"model.pooling": ["max"]}, "trials": 5}]
    header = {"config": load_study({"data": "synthetic", "search": stages}).config.dump()}
    past = replace(
        read_past(finished.folder.path), start=StudyStart(name="study", objective=Objective(), header=header)
    )
    stages[stage] = {**stages[stage], setting: 9}
    now = load_study({"data": "synthetic", "search": stages})
    if refused is None:
        refuse_other_study(past, now, finished.folder)
    else:
        with pytest.raises(RunFolderError, match=refused):
            refuse_other_study(past, now, finished.folder)


class TestAHandOverThatWasCutOff:
    """The search had ended; what came after it is done, or done again."""

    def without_the_reading(self, folder):
        rewrite(folder, lambda line: line if line["event"] != "test-read" else None)

    def check(self, again, finished):
        assert again.record.state == "done"
        assert again.record.best.spec.number == finished.record.best.spec.number
        assert again.record.test["metrics"] == finished.record.test["metrics"]
        assert (again.folder.best / "model.safetensors").exists()
        assert events(again.folder).count("test-read") == 1

    def test_before_the_test_rows_were_read(self, run, finished):
        self.without_the_reading(run.folder)
        self.check(run(), finished)

    def test_before_the_model_was_moved(self, run, finished):
        best = finished.record.best.spec
        self.without_the_reading(run.folder)
        run.folder.best.rename(run.folder.model(best.number, best.attempt))
        self.check(run(), finished)

    def test_and_lost_the_model(self, run, finished):
        self.without_the_reading(run.folder)
        shutil.rmtree(run.folder.best)
        self.check(run(), finished)

    @pytest.mark.parametrize("keep", ["all", "none"])
    def test_with_another_choice_of_models(self, run, finished, keep):
        self.without_the_reading(run.folder)
        again = run(execution__keep_models=keep)
        assert again.record.test["metrics"] == finished.record.test["metrics"]
        assert again.folder.best.exists() == (keep == "all")


def test_a_folder_with_only_a_lock_is_taken(tiny_study, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    done = commands.run(tiny_study, out=tmp_path / "run", overrides=["search.trials=1"], quiet=True)
    assert done.exit_code == 0
