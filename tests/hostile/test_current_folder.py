"""Python files of the folder in which a command is typed never run, however a process is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from textune.execution.processes import ProcessesConfig
from textune.records import EndReason, TrialSpec
from textune.testing.executors import finish
from textune.testing.quadratic import Quadratic

OTHERS = {"torch", "numpy", "sklearn", "joblib", "optuna", "pydantic", "safetensors", "tokenizers", "rich", "typer"}
DECOY = """
import os
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ran.txt"), "a") as file:
    file.write(__name__ + "\\n")
"""
PLUGIN = """
import json
import multiprocessing
import os
import sys

from textune.registry import register
from textune.training.schedule import ScheduleConfig

if multiprocessing.parent_process() is not None:
    print(json.dumps([sys.flags.safe_path, "PYTHONSAFEPATH" in os.environ, os.getcwd() in sys.path]))


@register("schedule", "mine")
class MineConfig(ScheduleConfig):
    "Stays."

    def decay(self, progress):
        return 1.0
"""
SCRIPT = """
import os
import textune
before = dict(os.environ)
textune.run("study.json", quiet=True, allow_plugins=True)
assert dict(os.environ).get("PYTHONSAFEPATH") is before.get("PYTHONSAFEPATH") is None
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a file by the name of each module that somebody may import, and with programs."""
    place = tmp_path / "decoys"
    place.mkdir()
    for name in {name for name in sys.stdlib_module_names if not name.startswith("_")} | OTHERS:
        (place / f"{name}.py").write_text(DECOY, encoding="utf-8")
    for program in ("git", "uname", "gcc", "ldconfig"):
        (place / program).write_text("#!/bin/sh\necho $0 >> ran.txt\n", encoding="utf-8")
        (place / program).chmod(0o755)
    return place


@pytest.fixture
def study(folder, tiny_study):
    """In the folder, with a plug-in of it, for workers."""
    (folder / "my_schedule.py").write_text(PLUGIN, encoding="utf-8")
    training = {**tiny_study["training"], "epochs": 1, "schedule": {"kind": "mine"}}
    study = {
        **tiny_study,
        "plugins": ["my_schedule.py"],
        "training": training,
        "search": {},
        "execution": {"kind": "processes", "workers": 1},
    }
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")


def ran(folder):
    told = folder / "ran.txt"
    return sorted(set(told.read_text(encoding="utf-8").split())) if told.exists() else []


def loaded_before_ours():
    """Returns what Python imports for -m, with the current folder on its path, before it runs our code."""
    code = "import importlib, runpy, typing, json, sys; print(json.dumps(list(set(sys.modules) - {'json'})))"
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("way", ["textune", "python -m textune", "a script elsewhere"])
def test_a_study_runs_none_but_its_plugins(folder, tmp_path, way):
    if way == "python -m textune":
        for name in loaded_before_ours():
            (folder / f"{name}.py").unlink(missing_ok=True)
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(SCRIPT, encoding="utf-8")
    arguments = ["run", "study.json", "--allow-plugins", "--quiet"]
    command = {
        "textune": [Path(sys.executable).with_name("textune"), *arguments],
        "python -m textune": [sys.executable, "-m", "textune", *arguments],
        "a script elsewhere": [sys.executable, script],
    }[way]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ran(folder) == []
    log = (folder / "runs/tiny/trials/0000/attempt-1/log.txt").read_text(encoding="utf-8")
    assert json.loads(log) == [True, False, False]  # what it starts by multiprocessing is as safe


def test_servers_that_died_are_started_again_as_safely(folder, monkeypatch):
    monkeypatch.chdir(folder)
    before = dict(os.environ)
    executor = ProcessesConfig(devices="cpu", workers=1).build(Quadratic())
    try:
        executor.submit(TrialSpec(number=0))
        finish(executor, 0)
        process = executor._workers[0].process
        psutil.Process(process.pid).parent().kill()
        process.kill()
        process.join()
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED
    finally:
        executor.close()
    assert ran(folder) == []
    assert dict(os.environ) == before
