"""The command line as its user meets it: what it prints where, and how it ends."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from textune.tracking.log import read_study
from textune.version import __version__

PATIENCE_SECONDS = 60
TEXTUNE = (sys.executable, "-m", "textune")

COMMANDS = ("run", "check", "describe", "init", "show", "list", "report", "predict", "kinds", "schema", "cache")

THREE_MISTAKES = """\
data: {kind: fiels, path: reviews.csv}
model:
  encoder: {kind: rnn, hidden_szie: 64}
training:
  epochs: 0
"""


class TestAWrongStudy:
    @pytest.fixture
    def study(self, tmp_path):
        path = tmp_path / "study.yaml"
        path.write_text(THREE_MISTAKES, encoding="utf-8")
        return path

    @pytest.mark.parametrize("command", ["run", "check", "describe"])
    def test_is_told_in_one_line_for_each_mistake(self, textune, study, command):
        said = textune(command, study)
        assert said.code == 2
        assert said.out == ""
        kinds = "files, hub, imdb, sst, synthetic"
        assert said.err.splitlines() == [
            f"study.yaml:1: data: data 'fiels' is not available; did you mean 'files'?; available: {kinds}",
            "study.yaml:3: model.encoder.hidden_szie: encoder 'rnn' has no such setting; did you mean 'hidden_size'?",
            "study.yaml:5: training.epochs: must be at least 1, not 0",
        ]

    @pytest.mark.parametrize("command", ["run", "check", "describe", "fidelity"])
    @pytest.mark.parametrize("text", ["", "training: {epochs: 1}\n", "data:\n"])
    def test_of_no_data_is_told_how_to_name_some(self, textune, tmp_path, monkeypatch, command, text):
        monkeypatch.chdir(tmp_path)
        Path("study.yaml").write_text(text, encoding="utf-8")
        said = textune(command, "study.yaml")
        assert (said.code, said.out) == (2, "")
        assert re.match(r"study.yaml(:1)?: data: is missing; write data: \{path: reviews.csv\} for a file", said.err)
        assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]

    def test_is_refused_within_two_seconds_of_computing(self, study, tmp_path):
        before = os.times()
        done = subprocess.run([*TEXTUNE, "run", study], capture_output=True, text=True, cwd=tmp_path, check=False)
        after = os.times()
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 3
        assert after.children_user + after.children_system - before.children_user - before.children_system < 2
        assert not (tmp_path / "runs").exists()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("run", "nope.yaml"), "nope.yaml: there is no such file"),
            (("check", "study.yaml", "--set", "training.epochs"), "must be PATH=VALUE, such as training.epochs=3"),
            (("show", "nope"), "nope is no run folder"),
            (("report", "nope"), "nope is no run folder"),
            (("predict", "nope", "-"), "nope holds no model"),
            (("kinds", "encodr"), "there is no such role; did you mean 'encoder'?"),
            (("init", "nope.csv", "--label", "x"), "there is no file 'nope.csv'"),
            (("shwo",), "No such command 'shwo'"),
            (("init", "reviews.csv", "--label"), "--label"),
            (("predict", "run", "texts.csv", "--format", "xml"), "'csv', 'jsonl'"),
        ],
    )
    def test_call_is_a_sentence_on_stderr(self, textune, study, monkeypatch, tmp_path, arguments, words):
        monkeypatch.chdir(tmp_path)
        said = textune(*arguments)
        assert (said.code, said.out) == (2, "")
        assert words in said.err
        assert "Traceback" not in said.err


class TestResultsGoToStdout:
    def test_of_run_the_folder_and_nothing_else(self, textune, tiny_study, tmp_path):
        study = tmp_path / "study.json"
        study.write_text(json.dumps(tiny_study), encoding="utf-8")
        said = textune("run", study, "--out", tmp_path / "run", "--set", "search.trials=1")
        assert said.code == 0
        assert said.out == f"{tmp_path / 'run'}\n"
        source = "240 generated reviews: 240 rows; train 173, valid 19, test 48"
        assert said.err.splitlines()[0] == source
        assert "tiny: maximize valid.accuracy; 1 trial" in said.err
        assert "majority class" in said.err
        again = textune("run", study, "--out", tmp_path / "run")
        assert (again.code, again.out) == (0, said.out)
        assert again.err.splitlines()[0] == source
        assert f"going on with {tmp_path / 'run'}: 1 of 3 trials ended" in again.err
        assert textune("show", tmp_path / "run", "--json").out.count('"complete": 3') == 1
        once_more = textune("run", study, "--out", tmp_path / "run")
        assert (once_more.code, once_more.out) == (0, said.out)
        assert once_more.err.splitlines()[0] == source
        assert f"{tmp_path / 'run'} is finished: all 3 trials were run" in once_more.err
        quiet = textune("run", study, "--out", tmp_path / "run", "--fresh", "--quiet", "--set", "search.trials=1")
        assert (quiet.code, quiet.out, quiet.err) == (0, f"{tmp_path / 'run'}\n", "")
        assert (tmp_path / "run.1" / "report.html").exists()

    def test_of_a_study_in_which_nothing_finished_with_exit_code_1(self, textune, tiny_study, tmp_path):
        study = tmp_path / "study.json"
        study.write_text(json.dumps(tiny_study), encoding="utf-8")
        hopeless = ("training.optimizer.learning_rate=1e30", "training.epochs=2", "search.trials=1")
        changes = [part for change in hopeless for part in ("--set", change)]
        said = textune("run", study, "--out", tmp_path / "run", *changes)
        assert said.code == 1
        assert "No trial was completed, so there is no winner" in said.err
        assert (tmp_path / "run" / "report.html").exists()

    def test_of_show_as_text_and_as_json(self, textune, finished):
        said = textune("show", finished.folder.path)
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("tiny  done · 3 trials · 3 complete")
        told = json.loads(textune("show", finished.folder.path, "--json").out)
        assert told["name"] == "tiny"
        assert told["state"] == "done"
        assert told["trials"] == {"complete": 3, "pruned": 0, "failed": 0}
        assert set(told["best"]) == {"trial", "value", "params", "metrics"}
        assert told["best"]["metrics"]["valid.accuracy"] == told["best"]["value"]
        assert 0 <= told["test"]["test.accuracy"] <= 1
        assert told["confirmation"] is None

    def test_of_list_a_line_for_each_run(self, textune, finished, tmp_path):
        said = textune("list", finished.folder.path.parent)
        assert (said.code, said.err) == (0, "")
        assert re.fullmatch(r"tiny +done +valid\.accuracy 0\.\d{4} +3 complete\n", said.out)
        nothing = textune("list", tmp_path)
        assert (nothing.code, nothing.out) == (0, "")
        assert "there are no run folders in" in nothing.err

    def test_of_report_its_path(self, textune, finished):
        finished.folder.report.unlink()
        said = textune("report", finished.folder.path)
        assert (said.code, said.out, said.err) == (0, f"{finished.folder.report}\n", "")
        assert finished.folder.report.stat().st_size > 1_000_000

    def test_of_predict_a_table(self, textune, finished):
        said = textune("predict", finished.folder.path, "-", stdin=b"a good day\nnot a good day\n")
        assert (said.code, said.err) == (0, "")
        header, first, _ = said.out.splitlines()
        assert header == "text,label,probability.negative,probability.positive"
        assert first.startswith("a good day,")

    def test_of_describe_as_text_and_as_json(self, textune, tiny_study, tmp_path):
        study = tmp_path / "study.json"
        study.write_text(json.dumps(tiny_study), encoding="utf-8")
        assert "240 rows, vocabulary of" in textune("describe", study).out
        assert json.loads(textune("describe", study, "--json").out)["rows"] == 240

    def test_of_schema_kinds_cache_and_version(self, textune, cache_of_the_tests):
        assert json.loads(textune("schema").out)["title"] == "Textune study"
        assert textune("kinds", "pooling").out.splitlines()[0] == "pooling: the vectors of a text to one vector"
        assert textune("cache").out.startswith(str(cache_of_the_tests))
        assert textune("--version").out == f"textune {__version__}\n"


class TestHelp:
    def test_lists_every_command_in_a_full_sentence(self, textune):
        said = textune("--help")
        assert said.code == 0
        for command in COMMANDS:
            assert re.search(rf"^  {command} +[A-Z].*[^.]\.$", said.out, re.MULTILINE), command

    def test_without_a_command_is_a_usage_error(self, textune):
        assert textune().code == 2


class TestAQuickStart:
    """What looks at runs starts without what trains models; the bound is coarse, for machines that are busy."""

    @pytest.mark.parametrize(
        ("arguments", "unneeded"),
        [
            (("--help",), ("torch", "numpy", "pydantic", "rich", "yaml")),
            (("show", "RUN"), ("torch", "numpy", "yaml", "plotly", "optuna", "sklearn", "tokenizers")),
            (("show", "RUN", "--json"), ("torch", "numpy", "yaml", "plotly", "optuna", "sklearn", "tokenizers")),
            (("list",), ("torch", "numpy", "yaml", "plotly", "optuna", "sklearn", "tokenizers")),
            (("report", "RUN"), ("torch", "yaml", "optuna", "sklearn", "tokenizers")),
            (("check", "STUDY"), ("torch", "optuna", "sklearn", "tokenizers", "scipy", "plotly")),
        ],
        ids=" ".join,
    )
    def test_needs_few_modules_and_little_time(self, finished, arguments, unneeded):
        places = {"RUN": finished.folder.path, "STUDY": finished.folder.study_file}
        argv = ["textune", *(str(places.get(each, each)) for each in arguments)]
        code = (
            "import json, sys, time, atexit\n"
            "atexit.register(lambda: print(json.dumps([time.process_time(), *sys.modules]), file=sys.stderr))\n"
            f"sys.argv = {argv!r}\n"
            "from textune.cli import main\nmain()"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds, *modules = json.loads(done.stderr.splitlines()[-1])
        assert not set(unneeded) & set(modules)
        assert seconds < 2


def heed_interrupts():
    """A job in the background ignores Ctrl-C, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class TestCtrlC:
    """In a process of its own, in a session of its own: the signal goes to all of it, as from a terminal."""

    @pytest.fixture
    def running(self, tiny_study, tmp_path):
        study = tmp_path / "study.json"
        endless = {"epochs": 100_000, "early_stopping": {"patience": None}}
        settings = {**tiny_study, "training": endless, "execution": {"kind": "processes", "workers": 1}}
        study.write_text(json.dumps(settings), encoding="utf-8")
        process = subprocess.Popen(
            [*TEXTUNE, "run", study, "--out", tmp_path / "run"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        yield process, tmp_path / "run"
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def test_leaves_a_readable_folder_and_no_worker(self, running, textune):
        process, folder = running
        events = folder / "events.jsonl"
        wait_until(lambda: events.exists() and '"progress"' in events.read_text(encoding="utf-8"))
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        refused = textune("run", folder.parent / "study.json", "--out", folder, "--fresh")
        assert refused.code == 2
        assert f"{folder} is in use by process {process.pid}" in refused.err
        assert textune("show", folder).out.startswith("tiny  running · 1 trial")

        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 130
        assert out == f"{folder}\n"
        assert "Traceback" not in err
        assert "The study was interrupted" in err
        wait_until(lambda: not any(member.is_running() for member in family))
        record = read_study(folder)
        assert record.state == "interrupted"
        assert [trial.result.end for trial in record.trials] == ["interrupted"]
        assert (folder / "report.html").exists()
        assert textune("show", folder).code == 0

    def interrupted(self, process):
        """Presses Ctrl-C, and again where Python lost it in a callback of an import; returns what stderr got."""
        for _ in range(5):
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=PATIENCE_SECONDS / 5)[1]
        raise AssertionError("five Ctrl-C did not stop it")

    def test_before_the_first_trial_writes_nothing(self, tmp_path):
        fifo = tmp_path / "endless.csv"
        os.mkfifo(fifo)
        study = tmp_path / "study.yaml"
        study.write_text("data: {kind: files, path: endless.csv}\n", encoding="utf-8")
        process = subprocess.Popen(
            [*TEXTUNE, "run", study, "--out", tmp_path / "run"],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupts,  # noqa: PLW1509 - it takes no lock
        )
        with fifo.open("wb"):  # returns once the study has opened it to read its rows
            err = self.interrupted(process)
        assert process.returncode == 130
        assert err == ""
        assert not (tmp_path / "run").exists()


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_reader_that_goes_away_is_no_error(textune, finished, tmp_path, monkeypatch):
    class Pipe(io.TextIOWrapper):
        def write(self, text):
            raise BrokenPipeError

    with (tmp_path / "pipe").open("wb") as file:
        monkeypatch.setattr(sys, "stdout", Pipe(file))
        said = textune("predict", finished.folder.path, "-", stdin=b"a fine day\n")
    assert (said.code, said.err) == (0, "")


def test_the_module_is_the_command(tmp_path):
    done = subprocess.run([*TEXTUNE, "--version"], capture_output=True, text=True, check=True, cwd=Path(tmp_path))
    assert done.stdout == f"textune {__version__}\n"


def test_signals_while_python_ends_change_nothing():
    program = """
import atexit, os, signal, sys
atexit.register(lambda: [os.kill(os.getpid(), each) for each in (signal.SIGINT, signal.SIGTERM)])
from textune.cli import main
sys.argv = ["textune", "--version"]
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
