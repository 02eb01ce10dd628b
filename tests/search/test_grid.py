import pytest

from textune.errors import StudyError
from textune.records import Objective
from textune.search.grid import GridConfig
from textune.space import FloatDimension, Space
from textune.testing.samplers import conditional_space, mixed_space, propose


@pytest.mark.parametrize(("space", "count"), [(mixed_space, 30), (conditional_space, 5)])
def test_the_grid_is_exactly_its_points_in_order(space, count):
    assert propose(GridConfig(), space(), 1000) == list(space().grid())
    assert GridConfig().num_trials(space()) == count


def test_a_base_point_on_the_grid_is_not_repeated():
    points = list(mixed_space().grid())
    assert propose(GridConfig(), mixed_space(), 1000, known=[points[7]]) == points[:7] + points[8:]


def test_a_range_of_real_numbers_needs_steps():
    space = Space([FloatDimension("training.x", 0.0, 1.0)], lambda _params, _path: None)
    with pytest.raises(StudyError, match=r"search.space.training.x: .* needs 'steps'"):
        GridConfig().build(space, Objective(), 1)
