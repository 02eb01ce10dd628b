import pytest

from textune.registry import kinds
from textune.testing.pruners import PrunerContract
from textune.testing.samplers import ExactSamplerContract, SamplerContract

EXACT = {"grid", "qmc", "random"}


class TestEverySampler(SamplerContract):
    @pytest.fixture(params=sorted(set(kinds("sampler")) - EXACT))
    def config(self, request):
        return kinds("sampler")[request.param]()


class TestEveryExactSampler(ExactSamplerContract):
    @pytest.fixture(params=sorted(EXACT))
    def config(self, request):
        return kinds("sampler")[request.param]()


class TestEveryPruner(PrunerContract):
    @pytest.fixture(params=kinds("pruner"))
    def config(self, request):
        return kinds("pruner")[request.param]()
