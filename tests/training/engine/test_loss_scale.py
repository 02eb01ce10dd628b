import math

import pytest

from textune.training.engine.loss_scale import LEAST, STEPS_TO_DOUBLE, LossScale


def test_is_halved_by_each_overflow_until_it_cannot_be_to_blame():
    scale = LossScale(4.0)
    assert [scale.overflowed(math.inf) for _ in range(4)] == [True, True, False, False]
    assert scale.value == LEAST


def test_grows_again_when_nothing_overflowed_for_long():
    scale = LossScale(4.0)
    for _ in range(STEPS_TO_DOUBLE - 1):
        assert not scale.overflowed(1.0)
    assert scale.value == 4.0
    assert scale.overflowed(math.nan)  # and the count begins anew
    for _ in range(STEPS_TO_DOUBLE):
        scale.overflowed(1.0)
    assert scale.value == 4.0


@pytest.mark.parametrize("value", [1.0, 2.0**16])
def test_is_a_power_of_two_whatever_happens(value):
    scale = LossScale(value)
    for step in range(5 * STEPS_TO_DOUBLE):
        scale.overflowed(math.inf if step % 777 == 0 else 1.0)
        assert math.frexp(scale.value)[0] == 0.5
