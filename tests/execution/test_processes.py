import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from textune import devices
from textune.errors import FatalError, StudyError
from textune.execution import base, process_memory, processes
from textune.execution.processes import ProcessesConfig
from textune.execution.serial import SerialConfig
from textune.records import EndReason, TrialResult, TrialSpec
from textune.testing.executors import PATIENCE_SECONDS, finish, next_event, start_endless
from textune.testing.quadratic import CHECKPOINT, Quadratic


@pytest.fixture
def executor():
    executor = ProcessesConfig(devices="cpu", workers=1).build(Quadratic())
    yield executor
    executor.close()


def wait_until(condition, what):
    """Waits for another process to get there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class TestAWorkerThatDies:
    @pytest.mark.parametrize(
        ("behaviour", "words"),
        [("kill", "SIGKILL"), ("terminate", "SIGTERM"), ("segfault", "SIGSEGV"), ("exit", "exit code 3")],
    )
    def test_is_a_failed_trial_and_is_replaced(self, executor, behaviour, words):
        executor.submit(TrialSpec(number=0, params={"behaviour": behaviour, "x": 0.5}))
        first, result = finish(executor, 0)
        assert result.end is EndReason.WORKER_LOST
        assert result.reason.startswith("worker-lost: its worker process died (" + words)
        assert (result.value, result.best_epoch) == (first.value, 1)
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED

    def test_leaves_a_checkpoint_for_the_next_attempt(self, executor, tmp_path):
        params = {"behaviour": "segfault-once"}
        executor.submit(TrialSpec(number=0, params=params, folder=str(tmp_path)))
        assert finish(executor, 0)[-1].end is EndReason.WORKER_LOST
        checkpoint = str(tmp_path / CHECKPOINT)
        executor.submit(TrialSpec(number=0, attempt=2, params=params, folder=str(tmp_path), checkpoint=checkpoint))
        *progress, result = finish(executor, 0)
        assert [event.epoch for event in progress] == [2, 3]
        assert (result.end, result.attempt) == (EndReason.FINISHED, 2)

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

    def test_before_it_hears_of_its_first_trial(self, executor):
        executor.submit(TrialSpec(number=0))
        executor._workers[0].process.kill()  # it takes longer to start than this
        assert finish(executor, 0)[-1].end is EndReason.WORKER_LOST
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED

    def test_together_with_another(self):
        executor = ProcessesConfig(devices="cpu", workers=2).build(Quadratic())
        for number in (0, 1):
            start_endless(executor, TrialSpec(number=number))
        for worker in executor._workers:
            worker.process.kill()
        ended = {}
        while len(ended) < 2:
            ended |= {result.trial: result.end for result in executor.wait(PATIENCE_SECONDS)}
        assert ended == {0: EndReason.WORKER_LOST, 1: EndReason.WORKER_LOST}
        executor.submit(TrialSpec(number=2))
        assert finish(executor, 2)[-1].end is EndReason.FINISHED
        executor.close()

    def test_with_the_server_it_came_from(self, executor):
        start_endless(executor, TrialSpec(number=0, params={"behaviour": "hang-in-c"}))
        worker = psutil.Process(executor._workers[0].process.pid)
        worker.parent().kill()
        assert next_event(executor).end is EndReason.WORKER_LOST
        wait_until(lambda: not is_alive(worker), "a worker outlived its server")
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED

    def test_leaves_no_process_behind(self, executor):
        executor.submit(TrialSpec(number=0, params={"behaviour": "kill"}))
        worker = psutil.Process(executor._workers[0].process.pid)
        finish(executor, 0)
        wait_until(lambda: not worker.is_running(), "a dead worker was not waited for")

    @pytest.mark.parametrize(("counted", "end"), [(4, EndReason.OUT_OF_MEMORY), (3, EndReason.WORKER_LOST)])
    def test_of_the_kernel_ran_out_of_memory(self, executor, tmp_path, monkeypatch, counted, end):
        counters = tmp_path / "vmstat"
        monkeypatch.setattr(process_memory, "KERNEL_COUNTERS", (counters, tmp_path / "missing"))
        counters.write_text("pgfault 17\noom_kill 3\n")
        start_endless(executor, TrialSpec(number=0))
        counters.write_text(f"pgfault 18\noom_kill {counted}\n")
        executor._workers[0].process.kill()
        result = next_event(executor)
        assert result.end is end
        assert ("probably out of memory: the kernel killed its worker" in result.reason) == (counted == 4)


class TestAWorkerThatDoesNotAnswer:
    @pytest.fixture(autouse=True)
    def impatience(self, monkeypatch):
        monkeypatch.setattr(processes, "PATIENCE_SECONDS", 0.2)

    @pytest.mark.parametrize("behaviour", ["hang", "hang-in-c"])
    def test_is_killed_and_replaced(self, executor, behaviour):
        first = start_endless(executor, TrialSpec(number=0, params={"behaviour": behaviour}))
        worker = psutil.Process(executor._workers[0].process.pid)
        executor.stop(0, EndReason.TIMED_OUT, "it took more than 60 s")
        assert executor.wait(0.05) == []
        result = next_event(executor)
        assert result.end is EndReason.TIMED_OUT
        assert result.reason == ("timed-out: it took more than 60 s; its worker process did not answer and was killed")
        assert (result.value, result.epochs) == (first.value, 1)
        assert not is_alive(worker)
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED

    def test_and_dies_ends_as_it_was_asked_to(self, executor, monkeypatch):
        monkeypatch.setattr(processes, "PATIENCE_SECONDS", PATIENCE_SECONDS)
        start_endless(executor, TrialSpec(number=0, params={"behaviour": "hang"}))
        executor.stop(0, EndReason.PRUNED, "")
        executor._workers[0].process.kill()
        result = next_event(executor)
        assert result.end is EndReason.PRUNED
        assert "; its worker process died (SIGKILL" in result.reason


class TestAWorker:
    def test_serves_one_trial_after_the_other(self, executor):
        pids = set()
        for number in range(3):
            executor.submit(TrialSpec(number=number))
            finish(executor, number)
            pids.add(executor._workers[0].process.pid)
        assert len(pids) == 1

    def test_that_holds_much_memory_between_trials_is_replaced(self, executor):
        pids = set()
        for number in range(2):
            executor.submit(TrialSpec(number=number, params={"behaviour": "leak"}))
            pids.add(executor._workers[0].process.pid)
            assert finish(executor, number)[-1].end is EndReason.FINISHED
        assert len(pids) == 2

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
        executor = ProcessesConfig(devices="cpu", workers=1).build(Quadratic())
        executor._arguments = (b"not a pickle", *executor._arguments[1:])
        executor.submit(TrialSpec(number=0))
        with pytest.raises(FatalError, match="a worker process cannot run trials: UnpicklingError"):
            executor.wait(PATIENCE_SECONDS)
        executor.close()

    def test_uses_the_threads_it_may(self):
        executor = ProcessesConfig(devices="cpu", workers=1, threads_per_trial=3).build(Quadratic())
        executor.submit(TrialSpec(number=0))
        result = finish(executor, 0)[-1]
        executor.close()
        assert result.details["OMP_NUM_THREADS"] == "3"


def test_a_timeout_without_news_gives_no_events(executor):
    executor.submit(TrialSpec(number=0, params={"behaviour": "hang"}))
    executor.wait(PATIENCE_SECONDS)
    executor.proceed(0)
    assert executor.wait(0.05) == []


def test_closing_ends_a_trial_that_hangs():
    executor = ProcessesConfig(devices="cpu", workers=1).build(Quadratic())
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
executor = ProcessesConfig(devices="cpu", workers=3).build(Quadratic())
behaviours = ["hang", "hang-in-c", "fine"]
for number, behaviour in enumerate(behaviours):
    executor.submit(TrialSpec(number=number, params={"behaviour": behaviour}))
waiting = set(range(3))
while waiting:
    for event in executor.wait():
        waiting.remove(event.trial)
for number in (0, 1):  # two are in the middle of a step, the third waits to hear
    executor.proceed(number)
print(*(worker.process.pid for worker in executor._workers), flush=True)
if "end" not in sys.argv:
    time.sleep(3600)
"""


def start_coordinator(tmp_path, *arguments):
    """Starts a program without a main guard whose workers are busy; returns it and all its descendants."""
    script = tmp_path / "coordinator.py"
    script.write_text(COORDINATOR)
    process = subprocess.Popen(
        [sys.executable, script, *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout.readline() == "main\n"
    family = []
    for pid in process.stdout.readline().split():
        with contextlib.suppress(psutil.NoSuchProcess):  # one that ends by itself may be gone
            family.append(psutil.Process(int(pid)))
    with contextlib.suppress(psutil.NoSuchProcess):
        family += [child for child in psutil.Process(process.pid).children(recursive=True) if child not in family]
    return process, family


@pytest.fixture
def coordinator(tmp_path):
    process, family = start_coordinator(tmp_path)
    with process:
        yield process, family
        process.kill()


def test_nothing_outlives_a_killed_coordinator(coordinator):
    process, family = coordinator
    assert len(family) == 5  # workers, fork server, resource tracker
    process.kill()
    process.wait()
    wait_until(lambda: not any(is_alive(each) for each in family), "a process outlived its coordinator")


def test_termination_of_the_whole_group_is_for_the_coordinator_alone(coordinator):
    _, family = coordinator
    for each in family:
        os.kill(each.pid, signal.SIGTERM)
        os.kill(each.pid, signal.SIGINT)
    time.sleep(0.2)  # nothing tells that nothing happens
    assert all(is_alive(each) for each in family)


def test_a_program_can_end_without_closing_its_executor(tmp_path):
    process, family = start_coordinator(tmp_path, "end")
    with process:
        try:
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()
    wait_until(lambda: not any(is_alive(each) for each in family), "a process outlived its coordinator")


def test_the_program_that_started_the_study_is_not_run_again(coordinator):
    process, _ = coordinator
    process.kill()
    assert process.stdout.read() == ""


def is_alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_worker_that_found_no_memory_is_replaced():
    executor = ProcessesConfig(devices="cpu", workers=1).build(Quadratic())
    try:
        workers = []
        for number, behaviour in enumerate(("fine", "out-of-memory", "fine")):
            executor.submit(TrialSpec(number=number, params={"behaviour": behaviour}))
            workers.append(executor._workers[0].process.pid)
            finish(executor, number)
        assert workers[0] == workers[1] != workers[2]
    finally:
        executor.close()


class TestGpus:
    """Workers know theirs by what they see, whether it is there or not."""

    GPUS = ("3", "GPU-2a")

    @pytest.fixture
    def executor(self):
        executor = processes.ProcessesExecutor(Quadratic(), 4, 1, gpus=self.GPUS)
        yield executor
        executor.close()

    def seen(self, executor, numbers):
        """Runs trials at once; returns what each of them saw."""
        for number in numbers:
            executor.submit(TrialSpec(number=number))
        seen = {}
        while len(seen) < len(numbers):
            for event in executor.wait(PATIENCE_SECONDS):
                if isinstance(event, TrialResult):
                    seen[event.trial] = event.details["CUDA_VISIBLE_DEVICES"]
                else:
                    executor.proceed(event.trial)
        return seen

    def test_each_worker_sees_one_and_they_share_them_evenly(self, executor):
        assert sorted(self.seen(executor, range(4)).values()) == ["3", "3", "GPU-2a", "GPU-2a"]

    @pytest.mark.parametrize(("behaviours", "replaced"), [(("leak", "", ""), False), (("", "leak", ""), True)])
    def test_a_worker_whose_main_memory_grows_is_replaced(self, behaviours, replaced):
        """What CUDA takes of it in the first trial stays, and is used again."""
        executor = processes.ProcessesExecutor(Quadratic(), 1, 1, gpus=("3",))
        pids = []
        for number, behaviour in enumerate(behaviours):
            executor.submit(TrialSpec(number=number, params={"behaviour": behaviour}))
            pids.append(executor._workers[0].process.pid)
            finish(executor, number)
        executor.close()
        assert (pids[2] != pids[0]) == replaced

    def test_a_worker_takes_that_of_the_one_it_replaces(self, executor):
        self.seen(executor, range(4))
        lost = executor._workers[2]
        lost.process.kill()
        lost.process.join()
        assert sorted(self.seen(executor, range(4, 8)).values()) == ["3", "3", "GPU-2a", "GPU-2a"]

    def test_none_is_seen_by_trials_that_compute_on_the_processor(self):
        executor = ProcessesConfig(devices="cpu", workers=1).build(Quadratic())
        assert self.seen(executor, [0]) == {0: ""}
        executor.close()

    @pytest.mark.parametrize(
        ("settings", "slots"),
        [
            ({}, 2),
            ({"trials_per_device": 3}, 6),
            ({"trials_per_device": 3, "workers": 4}, 4),
            ({"workers": 4}, 2),
            ({"devices": "cpu", "workers": 5, "trials_per_device": 3}, 5),
        ],
    )
    def test_decide_how_many_trials_run_at_once(self, monkeypatch, settings, slots):
        monkeypatch.setattr(base, "gpus", lambda: self.GPUS)
        executor = ProcessesConfig.model_validate(settings).build(Quadratic())
        assert executor.slots == slots
        executor.close()

    @pytest.mark.parametrize("config", [ProcessesConfig, SerialConfig], ids=["processes", "serial"])
    def test_that_are_asked_for_and_not_there_are_a_sentence(self, monkeypatch, config):
        monkeypatch.setattr(base, "gpus", lambda: ())
        with pytest.raises(
            StudyError, match=r"execution\.devices: is 'cuda', and PyTorch finds no GPU here; set it to"
        ):
            config(devices="cuda").build(Quadratic())

    def test_one_is_for_trials_in_this_process(self, monkeypatch):
        monkeypatch.setenv(devices.NAME, "")
        for found, name in ((self.GPUS, "cuda:0"), ((), "cpu")):
            monkeypatch.setattr(base, "gpus", lambda found=found: found)
            executor = SerialConfig().build(Quadratic())
            executor.submit(TrialSpec(number=0))
            finish(executor, 0)
            assert str(devices.device()) == name
