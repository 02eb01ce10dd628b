import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from textune.errors import FatalError
from textune.execution.processes import ProcessesConfig
from textune.records import EndReason, TrialSpec
from textune.testing.executors import PATIENCE_SECONDS, finish
from textune.testing.quadratic import Quadratic


@pytest.fixture
def executor():
    executor = ProcessesConfig(workers=1).build(Quadratic())
    yield executor
    executor.close()


def wait_until(condition, what):
    """Waits for another process to get there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class TestAWorkerThatDies:
    @pytest.mark.parametrize(("behaviour", "words"), [("kill", "SIGKILL"), ("exit", "exit code 3")])
    def test_is_a_failed_trial_and_is_replaced(self, executor, behaviour, words):
        executor.submit(TrialSpec(number=0, params={"behaviour": behaviour, "x": 0.5}))
        first, result = finish(executor, 0)
        assert result.end is EndReason.WORKER_LOST
        assert result.reason.startswith("worker-lost: its worker process died (" + words)
        assert (result.value, result.best_epoch) == (first.value, 1)
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED

    def test_while_it_waits_for_a_decision_is_noticed(self, executor):
        executor.submit(TrialSpec(number=0))
        executor.wait(PATIENCE_SECONDS)
        executor._workers[0].process.kill()
        (result,) = executor.wait(PATIENCE_SECONDS)
        assert result.end is EndReason.WORKER_LOST

    def test_while_idle_costs_no_trial(self, executor):
        executor.submit(TrialSpec(number=0))
        finish(executor, 0)
        process = executor._workers[0].process
        process.kill()
        process.join()
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED


class TestAWorker:
    def test_serves_one_trial_after_the_other(self, executor):
        pids = set()
        for number in range(3):
            executor.submit(TrialSpec(number=number))
            finish(executor, number)
            pids.add(executor._workers[0].process.pid)
        assert len(pids) == 1

    def test_leaves_ctrl_c_and_termination_to_the_coordinator(self, executor):
        executor.submit(TrialSpec(number=0))
        executor.wait(PATIENCE_SECONDS)
        os.kill(executor._workers[0].process.pid, signal.SIGINT)
        os.kill(executor._workers[0].process.pid, signal.SIGTERM)
        executor.proceed(0)
        assert finish(executor, 0)[-1].end is EndReason.FINISHED

    def test_prints_into_the_log_of_its_trial(self, executor, tmp_path, capfd):
        for number, behaviour in enumerate(("print", "fine")):
            folder = str(tmp_path / str(number))
            executor.submit(TrialSpec(number=number, params={"behaviour": behaviour}, folder=folder))
            finish(executor, number)
        assert (tmp_path / "0" / "log.txt").read_text().splitlines() == ["hello from the trial"] * 3
        assert not (tmp_path / "1" / "log.txt").exists()  # nothing was said
        assert capfd.readouterr().out == ""

    def test_says_so_if_it_cannot_read_the_objective(self):
        executor = ProcessesConfig(workers=1).build(Quadratic())
        executor._arguments = (b"not a pickle", *executor._arguments[1:])
        executor.submit(TrialSpec(number=0))
        with pytest.raises(FatalError, match="a worker process cannot run trials: UnpicklingError"):
            executor.wait(PATIENCE_SECONDS)
        executor.close()

    def test_uses_the_threads_it_may(self):
        executor = ProcessesConfig(workers=1, threads_per_trial=3).build(Quadratic())
        executor.submit(TrialSpec(number=0))
        result = finish(executor, 0)[-1]
        executor.close()
        assert result.details == {"threads": "3"}


def test_a_timeout_without_news_gives_no_events(executor):
    executor.submit(TrialSpec(number=0, params={"behaviour": "hang"}))
    executor.wait(PATIENCE_SECONDS)
    executor.proceed(0)
    assert executor.wait(0.05) == []


def test_closing_ends_a_trial_that_hangs():
    executor = ProcessesConfig(workers=1).build(Quadratic())
    executor.submit(TrialSpec(number=0, params={"behaviour": "hang"}))
    executor.wait(PATIENCE_SECONDS)
    executor.proceed(0)
    worker = psutil.Process(executor._workers[0].process.pid)
    executor.close()
    assert not worker.is_running()


def test_there_is_one_worker_for_each_core():
    executor = ProcessesConfig().build(Quadratic())
    assert executor.slots == len(os.sched_getaffinity(0))
    executor.close()


COORDINATOR = """
import sys, time
print("main", flush=True)
from textune.execution.processes import ProcessesConfig
from textune.records import TrialSpec
from textune.testing.quadratic import Quadratic
executor = ProcessesConfig(workers=2).build(Quadratic())
for number in (0, 1):
    executor.submit(TrialSpec(number=number, params={"behaviour": "hang"}))
waiting = {0, 1}
while waiting:
    for event in executor.wait():
        waiting.remove(event.trial)
executor.proceed(1)  # one trial waits to hear, the other is in the middle of a step
print(*(worker.process.pid for worker in executor._workers), flush=True)
time.sleep(3600)
"""


@pytest.fixture
def coordinator(tmp_path):
    """A program without a main guard whose two workers are busy, and their process ids."""
    script = tmp_path / "coordinator.py"
    script.write_text(COORDINATOR)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline() == "main\n"
        yield process, [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        process.kill()


def test_workers_end_with_a_killed_coordinator(coordinator):
    process, workers = coordinator
    family = psutil.Process(process.pid).children(recursive=True)
    assert set(workers) <= set(family)
    process.kill()
    process.wait()
    wait_until(lambda: not any(is_alive(each) for each in family), "a process outlived its coordinator")


def test_the_program_that_started_the_study_is_not_run_again(coordinator):
    process, workers = coordinator
    assert len(workers) == 2
    process.kill()
    assert process.stdout.read() == ""


def is_alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
