"""Run folders as they are found: killed, damaged, of odd names; shown, listed and reported."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import textune as package
from textune import commands
from textune.errors import RunFolderError
from textune.records import Objective, Progress, StudyStart, TrialSpec
from textune.storage import LOCK_FILE, FolderLock, is_in_use
from textune.tracking.log import EventLog

EARLIER = Path(__file__).parent / "compatibility" / "fixtures"
STEERS = "\x1b[31m\u202e"


@pytest.fixture
def begun(tmp_path):
    """The folder of a study whose log tells no end."""
    folder = tmp_path / "begun"
    folder.mkdir()
    log = EventLog(folder)
    log.start(StudyStart(name="begun", objective=Objective()))
    log.record(TrialSpec(number=0))
    log.record(Progress(trial=0, epoch=1, epochs=3, value=0.5))
    log.close()
    return folder


class TestAStudyWithoutAnEnd:
    def test_runs_while_its_folder_is_locked(self, begun, textune):
        with FolderLock(begun):
            assert "The study is still running." in textune("show", begun).out
            assert json.loads(textune("show", begun, "--json").out)["state"] == "running"
            assert textune("list", begun.parent).out.split()[1] == "running"
            assert package.load(begun).record.state == "running"

    def test_was_interrupted_when_nobody_has_the_lock(self, begun, textune):
        FolderLock(begun).release()
        said = " ".join(textune("show", begun).out.split())
        assert "The study was interrupted: its process was killed, or the machine went down." in said
        assert "The same command goes on with it." in said
        assert json.loads(textune("show", begun, "--json").out)["state"] == "interrupted"
        assert textune("list", begun.parent).out.split()[1] == "interrupted"
        record = package.load(begun).record
        assert (record.state, record.trials[0].result.end.value) == ("interrupted", "interrupted")
        assert not record.trials[0].result.final
        page = Path(textune("report", begun).out.strip()).read_text(encoding="utf-8")
        assert "still running" not in page
        assert "was interrupted: its process was killed" in page

    def test_was_interrupted_when_its_process_was_killed(self, begun):
        code = (
            "import sys, pathlib, time; from textune.storage import FolderLock\n"
            "lock = FolderLock(pathlib.Path(sys.argv[1])); print('locked', flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", code, begun], stdout=subprocess.PIPE) as owner:
            assert owner.stdout.readline() == b"locked\n"
            assert commands.load_run(begun).record.state == "running"
            owner.send_signal(signal.SIGKILL)
        assert commands.load_run(begun).record.state == "interrupted"

    def test_may_run_on_another_machine(self, begun):
        (begun / LOCK_FILE).write_text('{"pid": 1, "host": "elsewhere", "since": 1.0}', encoding="utf-8")
        assert commands.load_run(begun).record.state == "running"

    def test_is_not_kept_from_going_on_by_who_looks(self, begun):
        FolderLock(begun).release()
        assert not is_in_use(begun)
        FolderLock(begun).release()


class TestTheList:
    def test_names_every_folder_that_cannot_be_read_and_why(self, begun, textune):
        runs = begun.parent
        (runs / "link").symlink_to("link")
        (runs / "folder" / "events.jsonl").mkdir(parents=True)
        (runs / "loop").mkdir()
        (runs / "loop" / "events.jsonl").symlink_to("events.jsonl")
        (runs / "notes.txt").write_text("no run", encoding="utf-8")
        (runs / "empty").mkdir()
        os.mkfifo(runs / "empty" / "pipe")
        lines = {line.split()[0]: line for line in textune("list", runs).out.splitlines()}
        assert lines.keys() == {"begun", "link", "folder", "loop"}
        assert lines["link"].endswith("link cannot be read: Too many levels of symbolic links")
        assert lines["loop"].endswith("loop cannot be read: Too many levels of symbolic links")
        assert lines["folder"].endswith("events.jsonl is not a file")

    def test_goes_on_after_a_damaged_folder(self, begun, textune):
        shutil.copytree(EARLIER / "finished", begun.parent / "damaged")
        events = begun.parent / "damaged" / "events.jsonl"
        lines = events.read_bytes().splitlines(keepends=True)
        events.write_bytes(b"".join(line for line in lines if b'"trial-started"' not in line))
        said = textune("list", begun.parent)
        assert said.code == 0
        assert re.search(r"damaged +.*events.jsonl:\d+: trial 0 had not started before: lines are missing", said.out)
        assert "begun" in said.out


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": "x"}', b"\xff", b"null"])
def test_damaged_findings_of_fidelity_are_named(tmp_path, textune, content):
    shutil.copytree(EARLIER / "fidelity", tmp_path / "fidelity")
    (tmp_path / "fidelity" / "fidelity.json").write_bytes(content)
    for command in ("show", "report"):
        said = textune(command, tmp_path / "fidelity")
        assert (said.code, said.out) == (2, "")
        assert re.match(r".*fidelity\.json is damaged \(.+\); the command .* writes it again\n$", said.err)
    commands.fidelity(EARLIER / "bag.json", out=tmp_path / "fidelity", configurations=3, quiet=True)
    assert textune("show", tmp_path / "fidelity").code == 0


@pytest.mark.parametrize("field", ["ceiling", "forms", "configurations", "notes", "margin", "objective"])
def test_findings_without_a_part_are_named(tmp_path, field):
    shutil.copytree(EARLIER / "fidelity", tmp_path / "fidelity")
    path = tmp_path / "fidelity" / "fidelity.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    del found[field]
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(RunFolderError, match=rf"is damaged \({field}: Field required\)"):
        commands.show(tmp_path / "fidelity")


class TestANameThatSteersATerminal:
    @pytest.fixture
    def folder(self, tmp_path):
        shutil.copytree(EARLIER / "finished", tmp_path / f"a{STEERS}")
        shutil.copytree(EARLIER / "fidelity", tmp_path / f"f{STEERS}")
        return tmp_path

    def is_harmless(self, said):
        return not set(STEERS[0] + STEERS[-1]) & set(said.out + said.err)

    def test_is_made_visible_in_reports(self, folder, textune):
        for name, page in (("a", "report.html"), ("f", "fidelity.html")):
            textune("report", folder / f"{name}{STEERS}")
            text = (folder / f"{name}{STEERS}" / page).read_text(encoding="utf-8")
            assert not set(STEERS[0] + STEERS[-1]) & set(text)

    def test_is_made_visible_on_a_terminal(self, folder, textune, monkeypatch):
        monkeypatch.setattr("textune.cli._is_terminal", lambda: True)
        monkeypatch.setenv("TEXTUNE_CACHE", str(folder / f"cache{STEERS}"))
        run, fidelity = folder / f"a{STEERS}", folder / f"f{STEERS}"
        for command in (
            ("show", run),
            ("report", run),
            ("report", fidelity),
            ("list", folder),
            ("list", run / "none"),
            ("run", EARLIER / "tiny.json", "--out", run),
            ("fidelity", EARLIER / "bag.json", "--out", fidelity, "--configurations", "3"),
            ("predict", run / "none", "x.csv"),
            ("cache",),
            ("cache", "--clear"),
        ):
            assert self.is_harmless(textune(*command)), command

    def test_is_as_it_is_for_who_reads_a_pipe(self, folder, textune):
        said = textune("report", folder / f"a{STEERS}")
        assert Path(said.out.removesuffix("\n")).is_file()
