"""Workers that show no life: stopped, or in C code that keeps Python's lock."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from textune.execution import processes
from textune.execution.processes import ProcessesConfig
from textune.records import EndReason, TrialSpec
from textune.testing.executors import PATIENCE_SECONDS, finish, next_event, start_endless
from textune.testing.quadratic import CHECKPOINT, Quadratic

SILENT = "worker-lost: its worker process showed no sign of life for 2 s (execution.hang_seconds) and was killed"


@pytest.fixture
def executor():
    executor = ProcessesConfig(devices="cpu", workers=1, hang_seconds=2).build(Quadratic())
    yield executor
    executor.close()


def stop(executor):
    worker = psutil.Process(executor._workers[0].process.pid)
    worker.suspend()
    return worker


class TestAWorkerThatShowsNone:
    @pytest.mark.parametrize("behaviour", ["endless", "hang-in-c"])
    def test_is_killed_and_its_trial_deserves_another_attempt(self, executor, behaviour):
        first = start_endless(executor, TrialSpec(number=0, params={"behaviour": behaviour}))
        if behaviour == "endless":
            stop(executor)
        result = next_event(executor)
        assert (result.end, result.reason, result.value) == (EndReason.WORKER_LOST, SILENT, first.value)
        assert result.deserves_retry
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED

    def test_before_it_hears_of_its_trial_is_killed_too(self, executor):
        executor.submit(TrialSpec(number=0))
        finish(executor, 0)
        stop(executor)
        executor.submit(TrialSpec(number=1))
        assert next_event(executor).reason == SILENT


STOPPED = """
from textune.execution.processes import ProcessesConfig
from textune.records import TrialSpec
from textune.testing.executors import start_endless
from textune.testing.quadratic import Quadratic
executor = ProcessesConfig(devices="cpu", workers=1, hang_seconds=2).build(Quadratic())
start_endless(executor, TrialSpec(number=0))
print(executor._workers[0].process.pid, flush=True)
events = []
while not events:
    events = executor.wait(0.2)
"""


def test_a_study_that_was_stopped_with_its_workers_kills_none():
    """As by Ctrl-Z: when it goes on, it may look before its workers can show life."""
    command = [sys.executable, "-c", STOPPED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        study, worker = (psutil.Process(pid) for pid in (process.pid, int(process.stdout.readline())))
        study.suspend()
        worker.suspend()
        time.sleep(2.5)  # longer than a worker may be silent
        study.resume()
        time.sleep(0.5)  # nothing tells that nothing happens
        assert worker.status() == psutil.STATUS_STOPPED
        process.kill()


def test_a_trial_that_waits_in_python_shows_life(executor):
    start_endless(executor, TrialSpec(number=0, params={"behaviour": "hang"}))
    assert executor.wait(3.0) == []


def test_silence_may_be_allowed():
    executor = ProcessesConfig(devices="cpu", workers=1, hang_seconds=None).build(Quadratic())
    start_endless(executor, TrialSpec(number=0))
    stop(executor)
    executor._workers[0]._heard -= 3_600
    assert executor.wait(0.5) == []
    executor.close()


class TestAnInterrupt:
    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch):
        """A worker is killed when it is silent for longer than this; a test would not end if it had all the time."""
        monkeypatch.setattr(processes, "PATIENCE_SECONDS", 1.5)
        monkeypatch.setattr(processes, "SAVING_SECONDS", 10 * PATIENCE_SECONDS)

    def test_wakes_a_stopped_worker_which_saves_its_trial(self, executor, tmp_path):
        start_endless(executor, TrialSpec(number=0, params={"behaviour": "endless"}, folder=str(tmp_path)))
        stop(executor)
        (tmp_path / CHECKPOINT).unlink()
        executor.stop(0, EndReason.INTERRUPTED, "")
        assert next_event(executor).reason == "interrupted: the study was interrupted"
        assert (tmp_path / CHECKPOINT).exists()

    def test_does_not_wait_for_a_silent_worker(self, executor):
        start_endless(executor, TrialSpec(number=0, params={"behaviour": "hang-in-c"}))
        executor.stop(0, EndReason.INTERRUPTED, "")
        assert next_event(executor).reason.endswith("its worker process did not answer and was killed")

    def test_waits_for_a_worker_that_saves_its_trial(self, executor, tmp_path):
        start_endless(executor, TrialSpec(number=0, params={"behaviour": "slow"}, folder=str(tmp_path)))
        (tmp_path / CHECKPOINT).unlink()
        executor.stop(0, EndReason.INTERRUPTED, "")
        assert next_event(executor).reason == "interrupted: the study was interrupted"
        assert (tmp_path / CHECKPOINT).exists()


def test_stopped_workers_are_ended_together(monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 1.0)
    executor = ProcessesConfig(devices="cpu", workers=3).build(Quadratic())
    workers = []
    for number in range(3):
        executor.submit(TrialSpec(number=number))
    ended = 0
    while ended < 3:
        for event in executor.wait(PATIENCE_SECONDS):
            if hasattr(event, "end"):
                ended += 1
            else:
                executor.proceed(event.trial)
    for worker in executor._workers:
        workers.append(psutil.Process(worker.process.pid))
        os.kill(worker.process.pid, signal.SIGSTOP)
    executor.close()
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
