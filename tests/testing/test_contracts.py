"""A contract is worth something if a component that is at fault does not pass it."""

import pytest
from tests.execution.threads import ThreadsConfig

from textune.errors import TextuneError
from textune.execution.processes import ProcessesExecutor
from textune.execution.serial import SerialConfig, SerialExecutor
from textune.models.embedding import VectorsConfig
from textune.records import EndReason, TrialResult
from textune.registry import ROLES, kinds, lookup, register
from textune.search.random import RandomConfig
from textune.testing import executors
from textune.testing.data import DataContract, SplitContract, TokenizerContract
from textune.testing.executors import ExecutorContract, IsolatingExecutorContract
from textune.testing.models import EmbeddingContract, EncoderContract, HeadContract, PoolingContract
from textune.testing.pruners import PrunerContract
from textune.testing.samplers import SamplerContract
from textune.testing.trackers import TrackerContract
from textune.testing.training import OptimizerContract, ScheduleContract

CONTRACTS = {
    "data": (DataContract, "load"),
    "split": (SplitContract, "assign"),
    "tokenizer": (TokenizerContract, "build"),
    "embedding": (EmbeddingContract, "build"),
    "encoder": (EncoderContract, "build"),
    "pooling": (PoolingContract, "build"),
    "head": (HeadContract, "build"),
    "optimizer": (OptimizerContract, "build"),
    "schedule": (ScheduleContract, "factor"),
    "sampler": (SamplerContract, "build"),
    "pruner": (PrunerContract, "build"),
    "tracker": (TrackerContract, "build"),
}
"""The contract of each role, and what a study needs of a component."""


@pytest.fixture(autouse=True)
def kinds_are_taken_out_again():
    before = {role: dict(kinds(role)) for role in ROLES}
    yield
    for role, kinds_before in before.items():
        ROLES[role].kinds.clear()
        ROLES[role].kinds.update(kinds_before)


def test_every_role_has_one():
    assert {*CONTRACTS, "executor"} == set(ROLES)


@pytest.mark.parametrize("role", CONTRACTS)
def test_a_component_that_fails_in_a_study_fails_its_contract(role, tmp_path):
    contract, method = CONTRACTS[role]

    def fails(self, *_args, **_settings):
        raise RuntimeError("only in a study")

    base = lookup(role)
    register(role, "bad")(bad := type("BadConfig", (base,), {method: fails, "__module__": __name__, "__doc__": "Bad."}))
    given = {"data": {"folders": (tmp_path,)}, "encoder": {"others": {}}}.get(role, {})
    if issubclass(contract, (EmbeddingContract, PoolingContract, HeadContract)):
        given = {"others": {}}
    with pytest.raises((AssertionError, RuntimeError), match="only in a study"):
        contract().test_a_whole_study_runs_with_it(config=bad(), tmp_path=tmp_path, **given)


def test_an_embedding_without_the_settings_of_ours_can_be_one(tmp_path):
    """Nothing but its role's methods is asked of it."""

    @register("embedding", "narrow")
    class NarrowConfig(lookup("embedding").__base__):
        """Vectors of a width that nobody sets."""

        def build(self, tokens, vectors):
            return VectorsConfig(size=4).build(tokens, vectors)

    EmbeddingContract().test_a_whole_study_runs_with_it(NarrowConfig(), {}, tmp_path)


def test_a_sampler_may_name_its_settings_as_ours_do(tmp_path):
    @register("sampler", "combining")
    class CombiningConfig(RandomConfig):
        """A random one with a setting of the same name as one of 'one-at-a-time'."""

        combine: bool = True

    SamplerContract().test_a_whole_study_runs_with_it(CombiningConfig(), tmp_path)


@pytest.mark.parametrize("name", ["kind", "role", "num_trials", "build", "dump"])
@pytest.mark.filterwarnings("ignore:Field name")
def test_a_setting_cannot_stand_in_for_what_is_asked_of_a_component(name):
    with pytest.raises(TextuneError, match=f"BadConfig has a setting named '{name}', which its base class RandomCon"):
        type("BadConfig", (RandomConfig,), {"__annotations__": {name: str}, name: "x", "__module__": __name__})


class TestExecutors:
    def test_that_give_other_numbers(self, tmp_path):
        class OtherSeeds(SerialExecutor):
            def submit(self, spec):
                super().submit(spec.model_copy(update={"seed": spec.seed + spec.number}))

        @register("executor", "other-seeds")
        class OtherSeedsConfig(SerialConfig):
            """As it is where trials disturb each other."""

            def build(self, evaluate):
                return OtherSeeds(evaluate, 1)

        with pytest.raises(AssertionError, match="trial 1 comes to other numbers"):
            ExecutorContract().test_a_whole_study_comes_to_what_it_comes_to_in_one_process(OtherSeedsConfig(), tmp_path)

    def test_that_leave_files_where_they_ran(self, tmp_path):
        class ElsewhereExecutor(SerialExecutor):
            def submit(self, spec):
                super().submit(spec.model_copy(update={"folder": f"{spec.folder}-of-another-machine"}))

        executor = ElsewhereExecutor(executors.Quadratic(executors.EPOCHS), 1)
        with pytest.raises(FileNotFoundError):
            ExecutorContract().test_what_a_trial_writes_is_there_when_it_has_ended(executor, tmp_path)

    @pytest.fixture
    def unaware(self):
        """An executor that takes the end of a worker for that of a trial."""

        class Unaware(ProcessesExecutor):
            def wait(self, timeout_seconds=None):
                return [
                    event.model_copy(update={"end": EndReason.FINISHED}) if isinstance(event, TrialResult) else event
                    for event in super().wait(timeout_seconds)
                ]

        executor = Unaware(executors.Quadratic(executors.EPOCHS), 1, 1)
        yield executor
        executor.close()

    def test_that_do_not_notice_the_death_of_a_worker(self, unaware):
        with pytest.raises(AssertionError):
            IsolatingExecutorContract().test_a_worker_that_dies_ends_one_trial(unaware, "kill")

    def test_that_wait_for_a_trial_that_hangs(self, monkeypatch):
        """In a thread it cannot be stopped."""
        monkeypatch.setattr(executors, "PATIENCE_SECONDS", 1.0)
        executor = ThreadsConfig().build(executors.Quadratic(executors.EPOCHS))
        with pytest.raises(AssertionError, match="nothing was heard"):
            IsolatingExecutorContract().test_a_trial_that_hangs_can_be_stopped(executor, "hang")
        executor.close()
