import gc
import re
import sys
import threading

import psutil
import pytest

from textune.errors import StudyError
from textune.execution import process_memory
from textune.execution.process_memory import DataLimit, kernel_kills
from textune.execution.processes import ProcessesConfig
from textune.execution.serial import SerialConfig
from textune.memory import release_memory
from textune.records import EndReason, TrialSpec
from textune.testing.executors import finish
from textune.testing.quadratic import LARGE, Quadratic

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits data")

MIB = 2**20


class TestDataLimit:
    def test_an_allocation_beyond_it_fails_and_one_below_does_not(self):
        limit = DataLimit(64 * MIB)
        with limit.held():
            assert len(bytearray(16 * MIB)) == 16 * MIB
            with pytest.raises(MemoryError):
                bytearray(128 * MIB)

    def test_is_lifted_afterwards(self):
        limit = DataLimit(MIB)
        with pytest.raises(MemoryError), limit.held():
            bytearray(128 * MIB)
        assert len(bytearray(128 * MIB)) == 128 * MIB

    def test_counts_what_is_held_from_its_beginning(self):
        release_memory()  # of other tests, which the C library would use again beyond the limit
        limit = DataLimit(64 * MIB)
        before = bytearray(48 * MIB)
        with limit.held(), pytest.raises(MemoryError):
            bytearray(48 * MIB)
        assert len(before) == 48 * MIB

    def test_a_new_thread_counts_its_stack_and_little_more(self):
        limit = DataLimit(64 * MIB)
        done = []
        with limit.held():
            thread = threading.Thread(target=lambda: done.append(bytes(1000)))
            thread.start()
            thread.join()
        assert done

    def test_there_is_none_by_default(self):
        with DataLimit(None).held():
            assert len(bytearray(LARGE)) == LARGE

    def test_a_system_without_it_says_so(self, monkeypatch):
        monkeypatch.setattr(sys, "platform", "darwin")
        for config in (SerialConfig, ProcessesConfig):
            with pytest.raises(StudyError, match="limited on Linux only"):
                config(memory_bytes_per_worker=MIB).build(Quadratic())


@pytest.mark.parametrize("config", [SerialConfig, ProcessesConfig], ids=["serial", "processes"])
class TestATrialWithLimitedMemory:
    def test_runs_out_of_it_and_the_next_does_not(self, config, tmp_path):
        workers = {} if config is SerialConfig else {"workers": 1}
        executor = config(memory_bytes_per_worker=LARGE // 2, **workers).build(Quadratic())
        executor.submit(TrialSpec(number=0, params={"behaviour": "allocate"}, folder=str(tmp_path)))
        first, result = finish(executor, 0)
        assert result.end is EndReason.OUT_OF_MEMORY
        assert result.value == first.value
        assert "MemoryError" in (tmp_path / "log.txt").read_text()
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED
        executor.close()

    def test_may_take_what_it_is_given(self, config):
        workers = {} if config is SerialConfig else {"workers": 1}
        executor = config(memory_bytes_per_worker=2 * LARGE, **workers).build(Quadratic())
        for number in range(3):
            executor.submit(TrialSpec(number=number, params={"behaviour": "allocate"}))
            assert finish(executor, number)[-1].end is EndReason.FINISHED
        executor.close()


class Importing(Quadratic):
    """Needs a module that takes much memory."""

    preload = ("large_module",)

    def __call__(self, spec):
        assert __import__("large_module").HELD
        return (yield from super().__call__(spec))


def test_what_a_trial_imports_is_not_counted(tmp_path, monkeypatch):
    (tmp_path / "large_module.py").write_text(f"HELD = bytearray({LARGE})")
    monkeypatch.syspath_prepend(tmp_path)
    executor = SerialConfig(memory_bytes_per_worker=LARGE // 2).build(Importing())
    executor.submit(TrialSpec(number=0))
    assert finish(executor, 0)[-1].end is EndReason.FINISHED
    del sys.modules["large_module"]


class Wasteful(Quadratic):
    """Leaves much garbage that only the collector finds."""

    def __call__(self, spec):
        waste = [b"\1" * 2 * LARGE]
        waste.append(waste)
        return (yield from super().__call__(spec))


def test_what_a_trial_leaves_in_this_process_is_given_back():
    before = psutil.Process().memory_info().rss
    executor = SerialConfig().build(Wasteful())
    executor.submit(TrialSpec(number=0))
    gc.disable()  # it could come upon it by chance
    try:
        finish(executor, 0)
        assert psutil.Process().memory_info().rss - before < LARGE
    finally:
        gc.enable()


def test_kills_by_the_kernel_are_counted_over_its_files(tmp_path, monkeypatch):
    (tmp_path / "vmstat").write_text("pgfault 17\noom_kill 3\noom_kill_other 9\n")
    (tmp_path / "events").write_text("oom 5\noom_kill 2\n")
    monkeypatch.setattr(process_memory, "KERNEL_COUNTERS", [tmp_path / name for name in ("vmstat", "events", "none")])
    assert kernel_kills() == 5


def test_this_kernel_counts_its_kills():
    with open("/proc/vmstat") as file:  # noqa: PTH123
        counted = re.search(r"^oom_kill (\d+)$", file.read(), re.MULTILINE)
    if counted is None:
        pytest.skip("this kernel does not count them")
    assert kernel_kills() >= int(counted[1])
