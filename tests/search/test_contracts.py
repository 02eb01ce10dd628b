import pytest

from textune.registry import kinds
from textune.testing.pruners import PrunerContract
from textune.testing.resume import ResumeContract
from textune.testing.samplers import ExactSamplerContract, SamplerContract

EXACT = {"grid", "qmc", "random"}
LEARNING = {"cma-es", "gp", "tpe"}
OWN = {"one-at-a-time"}
"""Tested in files of their own: they do not search the whole space."""
SLOW = {"gp"}


def early(role, kind):
    """Returns a config that begins to learn, or to prune, within a few trials."""
    config = kinds(role)[kind]
    return config.model_validate({"startup_trials": 3} if "startup_trials" in config.model_fields else {})


def test_every_sampler_is_tested():
    built_in = {kind for kind, config in kinds("sampler").items() if config.__module__.startswith("textune.search.")}
    assert built_in == EXACT | LEARNING | OWN


class TestEverySampler(SamplerContract):
    @pytest.fixture(params=sorted(LEARNING))
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


class TestEverySamplerWithEveryPruner(ResumeContract):
    @pytest.fixture(params=sorted((EXACT | LEARNING) - SLOW))
    def sampler_config(self, request):
        return early("sampler", request.param)

    @pytest.fixture(params=kinds("pruner"))
    def pruner_config(self, request):
        return early("pruner", request.param)


class TestSlowSamplersWithEveryPruner(ResumeContract):
    trials = 8
    stride = 14

    @pytest.fixture(params=sorted(SLOW))
    def sampler_config(self, request):
        return early("sampler", request.param)

    @pytest.fixture(params=kinds("pruner"))
    def pruner_config(self, request):
        return early("pruner", request.param)


@pytest.mark.slow
class TestSlowSamplersAtEveryEvent(TestSlowSamplersWithEveryPruner):
    trials = 9
    stride = 1
