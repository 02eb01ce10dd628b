import itertools
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from textune.errors import StudyError
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space, same_text

units = st.floats(0, 1, exclude_max=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)


def no_lookup(params, path):
    raise AssertionError(f"{path} was looked up")


@st.composite
def float_dimensions(draw):
    log = draw(st.booleans())
    numbers = st.floats(1e-9 if log else -1e6, 1e6)
    low, high = sorted((draw(numbers), draw(numbers)))
    return FloatDimension("x", low, high, log=log, steps=draw(st.integers(2, 20)))


@st.composite
def int_dimensions(draw):
    log = draw(st.booleans())
    numbers = st.integers(1 if log else -1000, 1000)
    low, high = sorted((draw(numbers), draw(numbers)))
    return IntDimension("n", low, high, log=log, steps=draw(st.none() | st.integers(2, 20)))


choices = st.lists(json_values, min_size=1, max_size=6).map(lambda values: ChoiceDimension("c", tuple(values)))
dimensions = float_dimensions() | int_dimensions() | choices


class TestOneDimension:
    @given(dimensions, units)
    def test_every_point_of_the_unit_interval_is_a_value(self, dimension, u):
        assert dimension.contains(dimension.from_unit(u))

    @given(float_dimensions() | int_dimensions(), units, units)
    def test_values_grow_with_the_unit(self, dimension, u, v):
        assert dimension.from_unit(min(u, v)) <= dimension.from_unit(max(u, v))

    @given(dimensions)
    def test_grid_values_are_distinct_values_of_the_dimension(self, dimension):
        values = list(dimension.grid())
        assert all(dimension.contains(value) for value in values)
        if isinstance(dimension, ChoiceDimension) or dimension.low < dimension.high:
            assert len({same_text(value) for value in values}) == len(values)

    @given(float_dimensions() | int_dimensions())
    def test_a_grid_has_both_ends_in_order(self, dimension):
        values = list(dimension.grid())
        assert (values[0], values[-1]) == (dimension.low, dimension.high)
        assert values == sorted(values)

    @given(int_dimensions(), units)
    def test_whole_numbers_stay_int(self, dimension, u):
        assert type(dimension.from_unit(u)) is int
        assert {type(value) for value in dimension.grid()} == {int}

    def test_steps_are_even_or_geometric(self):
        assert FloatDimension("x", 0.0, 0.5, steps=6).grid() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
        assert FloatDimension("x", 1e-5, 1e-2, log=True, steps=4).grid() == [1e-5, 1e-4, 1e-3, 1e-2]
        assert IntDimension("n", 8, 512, log=True, steps=4).grid() == [8, 32, 128, 512]
        assert IntDimension("n", 1, 3, steps=9).grid() == [1, 2, 3]

    def test_a_logarithmic_range_is_drawn_evenly_in_the_logarithm(self):
        dimension = FloatDimension("x", 1e-6, 1e-2, log=True)
        assert math.isclose(dimension.from_unit(0.5), 1e-4)

    def test_each_whole_number_gets_its_share(self):
        drawn = [IntDimension("n", 1, 4).from_unit(index / 1000) for index in range(1000)]
        assert [drawn.count(value) for value in (1, 2, 3, 4)] == [250] * 4

    def test_a_choice_keeps_values_apart_that_python_calls_equal(self):
        assert ChoiceDimension("c", (1, True, 1.0, 0, False, 1)).values == (1, True, 1.0, 0, False)
        assert ChoiceDimension("c", ({"a": 1, "b": 2}, {"b": 2, "a": 1})).values == ({"a": 1, "b": 2},)

    @pytest.mark.parametrize(
        ("build", "words"),
        [
            (lambda: FloatDimension("a.b", 2.0, 1.0), "search.space.a.b: has low 2.0 above high 1.0"),
            (lambda: IntDimension("a.b", 0, 9, log=True), "a logarithmic range starts above 0"),
            (lambda: ChoiceDimension("a.b", ()), "give at least one value"),
            (lambda: FloatDimension("a.b", 0.0, 1.0).grid(), "search.space.a.b: .* needs 'steps'"),
        ],
    )
    def test_a_wrong_dimension_is_told_with_its_path(self, build, words):
        with pytest.raises(StudyError, match=words):
            build()


class TestUnconditionalSpace:
    @given(st.lists(dimensions, max_size=4), st.lists(units, min_size=4, max_size=4))
    def test_every_point_of_the_cube_is_a_point_of_the_space(self, given_dimensions, point):
        space = distinct_paths(given_dimensions)
        params = space.from_units(point[: len(space.dimensions)])
        assert space.contains(params)
        assert set(params) == set(space.paths)

    @settings(deadline=None)  # up to 2,000 points
    @given(st.lists(int_dimensions() | choices, max_size=2))
    def test_counts_are_what_enumeration_gives(self, given_dimensions):
        space = distinct_paths(given_dimensions)
        assume(space.num_points <= 2000)
        grid = [same_text(params) for params in space.grid()]
        points = [same_text(params) for params in space.points()]
        assert len(grid) == len(set(grid)) == space.num_grid_points
        assert len(points) == len(set(points)) == space.num_points
        assert set(grid) <= set(points)

    def test_a_range_of_real_numbers_has_no_end_of_points(self):
        space = Space([FloatDimension("x", 0.0, 1.0, steps=3), ChoiceDimension("c", (1, 2))], no_lookup)
        assert space.num_points is None
        assert space.num_grid_points == 6

    def test_counting_does_not_list(self):
        space = Space([IntDimension(f"n{index}", 1, 10**9) for index in range(9)], no_lookup)
        assert space.num_points == 10**81

    def test_shorter_paths_come_first(self):
        space = Space([IntDimension(path, 1, 2) for path in ("a.b.c", "a.b", "a.d.kind", "z")], no_lookup)
        assert space.paths == ("z", "a.b", "a.d.kind", "a.b.c")

    def test_params_outside_are_not_contained(self):
        space = Space([IntDimension("n", 1, 4)], no_lookup)
        assert space.contains({"n": 4})
        for params in ({}, {"n": 5}, {"n": True}, {"n": 2.0}, {"n": 1, "other": 1}):
            assert not space.contains(params)


class TestConditions:
    def space(self, **lookups):
        return Space(
            [
                IntDimension("encoder.layers", 1, 3, when={"encoder.kind": ("rnn", "lstm")}),
                ChoiceDimension("encoder.kind", ("cnn", "rnn", "lstm")),
                FloatDimension("encoder.between", 0.0, 0.5, steps=2, when={"encoder.layers": (2, 3)}),
            ],
            lambda params, path: lookups.get(path),
        )

    def test_a_dimension_is_there_only_under_its_condition(self):
        grid = list(self.space().grid())
        assert [params for params in grid if params["encoder.kind"] == "cnn"] == [{"encoder.kind": "cnn"}]
        assert len(grid) == 1 + 2 * (1 + 2 * 2) == self.space().num_grid_points
        assert all(("encoder.between" in params) == (params.get("encoder.layers") in (2, 3)) for params in grid)

    def test_conditions_come_before_what_depends_on_them(self):
        assert self.space().paths == ("encoder.kind", "encoder.layers", "encoder.between")

    def test_points_and_units_agree_on_what_is_active(self):
        steps = [index / 9 for index in range(9)]
        for point in itertools.product(steps, repeat=3):
            params = self.space().from_units(point)
            assert self.space().contains(params)

    def test_other_settings_are_looked_up_in_the_resolved_config(self):
        asked = []

        def lookup(params, path):
            asked.append((dict(params), path))
            return "rnn" if params["encoder"] == {"cell": "gru"} else "cnn"

        space = Space(
            [
                ChoiceDimension("encoder", ({"cell": "gru"}, {"kind": "cnn"})),
                IntDimension("encoder.size", 1, 2, when={"encoder.kind": ("rnn",)}),
            ],
            lookup,
        )
        assert [len(params) for params in space.grid()] == [2, 2, 1]
        assert asked[0] == ({"encoder": {"cell": "gru"}}, "encoder.kind")

    def test_true_is_not_one(self):
        space = Space([IntDimension("n", 1, 2, when={"flag": (True,)})], lambda _params, _path: 1)
        assert list(space.points()) == [{}]

    def test_the_base_has_the_studys_own_values_of_active_dimensions(self):
        base = self.space(**{"encoder.kind": "rnn", "encoder.layers": 7, "encoder.between": 0.9}).base()
        assert base == {"encoder.kind": "rnn", "encoder.layers": 7}

    def test_a_circle_is_refused(self):
        with pytest.raises(StudyError, match="depends on itself"):
            Space([IntDimension("a", 1, 2, when={"b": (1,)}), IntDimension("b", 1, 2, when={"a": (1,)})], no_lookup)


def distinct_paths(given_dimensions):
    renamed = []
    for index, dimension in enumerate(given_dimensions):
        fields = {name: getattr(dimension, name) for name in dimension.__dataclass_fields__}
        renamed.append(type(dimension)(**{**fields, "path": f"{dimension.path}{index}"}))
    return Space(renamed, no_lookup)
