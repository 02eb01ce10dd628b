import pytest

from textune.registry import kinds
from textune.testing.pruners import PrunerContract
from textune.testing.samplers import SamplerContract


class TestEverySampler(SamplerContract):
    @pytest.fixture(params=kinds("sampler"))
    def config(self, request):
        return kinds("sampler")[request.param]()


class TestEveryPruner(PrunerContract):
    @pytest.fixture(params=kinds("pruner"))
    def config(self, request):
        return kinds("pruner")[request.param]()
