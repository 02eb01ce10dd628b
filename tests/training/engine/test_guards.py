import math

import pytest

from textune.errors import DivergedError
from textune.training.engine.guards import DivergenceGuard

GOOD, BAD_LOSS, BAD_GRADIENT = (1.0, 2.0), (math.nan, 0.0), (1.0, math.inf)


def go(guard, *steps):
    return [guard.allows(*step, 0.1, f"step {number}") for number, step in enumerate(steps, start=1)]


def test_steps_that_are_not_finite_are_left_out_and_counted():
    guard = DivergenceGuard(3)
    assert go(guard, GOOD, BAD_LOSS, GOOD, BAD_GRADIENT, BAD_LOSS) == [True, False, True, False, False]
    assert (guard.num_skipped, guard.skipped_in_a_row) == (3, 2)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_one_too_many_in_a_row_ends_it(most):
    guard = DivergenceGuard(most)
    go(guard, *[BAD_LOSS] * most, GOOD, *[BAD_GRADIENT] * most)
    with pytest.raises(DivergedError):
        go(guard, BAD_LOSS)
    assert guard.num_skipped == 2 * most


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (BAD_LOSS, "epoch 1, step 4: the loss is nan at a learning rate of 0.003; 2 steps before it were skipped"),
        (BAD_GRADIENT, "the norm of the gradients is inf at"),
    ],
)
def test_the_sentence_says_what_was_not_finite(step, sentence):
    with pytest.raises(DivergedError, match=sentence):
        DivergenceGuard(2, num_skipped=2, skipped_in_a_row=2).allows(*step, 0.003, "epoch 1, step 4")
