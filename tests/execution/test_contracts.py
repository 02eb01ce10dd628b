import pytest
from tests.execution.threads import ThreadsConfig

from textune.execution import processes
from textune.execution.processes import ProcessesConfig
from textune.execution.serial import SerialConfig
from textune.testing.executors import ExecutorContract, IsolatingExecutorContract


class TestSerial(ExecutorContract):
    @pytest.fixture
    def config(self):
        return SerialConfig(devices="cpu")


class TestProcesses(IsolatingExecutorContract):
    @pytest.fixture(autouse=True)
    def little_patience(self, monkeypatch):
        monkeypatch.setattr(processes, "PATIENCE_SECONDS", 0.2)

    @pytest.fixture
    def config(self):
        return ProcessesConfig(devices="cpu", workers=2)


class TestThreads(ExecutorContract):
    """What an executor of a plug-in may be: several trials in one process."""

    @pytest.fixture
    def config(self):
        return ThreadsConfig()
