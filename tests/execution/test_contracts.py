import pytest

from textune.execution.processes import ProcessesConfig
from textune.execution.serial import SerialConfig
from textune.testing.executors import ExecutorContract


class TestSerial(ExecutorContract):
    @pytest.fixture
    def config(self):
        return SerialConfig(devices="cpu")


class TestProcesses(ExecutorContract):
    @pytest.fixture
    def config(self):
        return ProcessesConfig(devices="cpu", workers=2)
