import pytest

from textune.registry import kinds
from textune.testing.training import OptimizerContract, ScheduleContract
from textune.training.optimizer import AdamConfig, SgdConfig


class TestEveryOptimizer(OptimizerContract):
    @pytest.fixture(params=kinds("optimizer"))
    def config(self, request):
        return kinds("optimizer")[request.param]()


class TestOtherOptimizers(OptimizerContract):
    @pytest.fixture(params=[AdamConfig(embedding_updates="dense"), SgdConfig(momentum=0.9, nesterov=True)], ids=repr)
    def config(self, request):
        return request.param


class TestEverySchedule(ScheduleContract):
    @pytest.fixture(params=kinds("schedule"))
    def config(self, request):
        return kinds("schedule")[request.param]()
