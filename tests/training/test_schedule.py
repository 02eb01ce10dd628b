import pytest
from hypothesis import given
from hypothesis import strategies as st

from textune.registry import kinds
from textune.training.schedule import CosineConfig, ExponentialConfig, LinearConfig, PlateauConfig

KINDS = kinds("schedule")


def factors(schedule, total_steps):
    return [schedule.factor(step, total_steps) for step in range(total_steps)]


def test_the_promised_kinds_are_there():
    assert set(KINDS) >= {"constant", "linear", "cosine", "exponential", "plateau"}


@given(
    kind=st.sampled_from(sorted(KINDS)),
    warmup_fraction=st.floats(0, 0.99),
    total_steps=st.integers(1, 200),
)
def test_the_learning_rate_rises_to_its_top_and_never_rises_again(kind, warmup_fraction, total_steps):
    values = factors(KINDS[kind](warmup_fraction=warmup_fraction), total_steps)
    warmup_steps = round(warmup_fraction * total_steps)
    rising, falling = values[:warmup_steps], values[warmup_steps:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert all(0 < value <= 1 for value in rising)
    assert falling[:1] in ([1.0], [])
    assert all(0 <= value <= 1 for value in falling)


def test_warm_up_is_a_straight_line_that_starts_above_zero():
    assert factors(LinearConfig(warmup_fraction=0.5), 6)[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize("config", [LinearConfig, CosineConfig, ExponentialConfig])
def test_decay_ends_at_the_final_factor_and_stays_there(config):
    schedule = config(final_factor=0.1)
    assert schedule.factor(1000, 1000) == pytest.approx(0.1)
    assert schedule.factor(2000, 1000) == pytest.approx(0.1)


def test_half_way_down():
    assert LinearConfig().factor(50, 100) == pytest.approx(0.5)
    assert CosineConfig().factor(50, 100) == pytest.approx(0.5)
    assert ExponentialConfig(final_factor=0.01).factor(50, 100) == pytest.approx(0.1)


def test_plateau_cuts_after_each_time_of_patience_without_gain():
    plateau = PlateauConfig(cut=0.5, patience=2)
    history = [0.1, 0.2, 0.2, 0.1, 0.3, 0.3, 0.3, 0.3, 0.3]
    reductions = [plateau.reduction(history[:epoch]) for epoch in range(len(history) + 1)]
    assert reductions == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_plateau_never_undercuts_its_floor():
    assert PlateauConfig(cut=0.1, patience=1, min_factor=0.05).reduction([1.0] * 9) == 0.05


def test_the_other_schedules_do_not_look_at_the_metric():
    assert LinearConfig().reduction([0.5] * 20) == 1.0
