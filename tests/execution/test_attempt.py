"""How one attempt at a trial ends."""

import pytest

from textune.execution.attempt import Attempt
from textune.records import EndReason, TrialSpec


@pytest.mark.parametrize("on_gpu", [True, False])
def test_lack_of_memory_is_worth_another_attempt_on_a_gpu_whose_memory_others_give_back(on_gpu):
    def evaluate(_spec):
        raise MemoryError("no room")
        yield

    result = Attempt(evaluate, TrialSpec(number=0), on_gpu=on_gpu).step()
    assert result.end is EndReason.OUT_OF_MEMORY
    assert result.deserves_retry is on_gpu
