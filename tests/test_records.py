import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from textune.records import (
    EndReason,
    Fidelity,
    Objective,
    Progress,
    StudyRecord,
    StudyStart,
    TrialRecord,
    TrialResult,
    TrialSpec,
    TrialState,
)

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
PARAMS = st.dictionaries(st.text(max_size=8), VALUES, max_size=3)
OBJECTIVES = st.builds(Objective, metric=st.just("valid.loss"), direction=st.sampled_from(["maximize", "minimize"]))
SPECS = st.builds(
    TrialSpec,
    number=st.integers(0),
    params=PARAMS,
    config=PARAMS,
    objective=OBJECTIVES,
    folds=st.none() | st.tuples(st.integers(0, 9)),
    fidelity=st.builds(Fidelity, epochs=st.none() | st.integers(1)),
)
PROGRESS = st.builds(
    Progress,
    trial=st.integers(0),
    epoch=st.integers(1),
    epochs=st.integers(1),
    value=NUMBERS,
    metrics=st.dictionaries(st.text(max_size=5), NUMBERS, max_size=3),
    seconds=st.floats(0, 1e9),
)
RESULTS = st.builds(
    TrialResult,
    trial=st.integers(0),
    end=st.sampled_from(EndReason),
    reason=st.text(),
    value=st.none() | NUMBERS,
    metrics=st.dictionaries(st.text(max_size=5), NUMBERS, max_size=3),
    seconds=st.floats(0, 1e9),
)


class TestRecords:
    @given(st.one_of(SPECS, PROGRESS, RESULTS))
    def test_survive_json(self, record):
        text = record.model_dump_json()
        again = type(record).model_validate_json(text)
        assert again.model_dump_json() == text
        if "NaN" not in text:
            assert again == record

    @given(st.lists(SPECS, max_size=3), PROGRESS, RESULTS)
    def test_survive_json_together(self, specs, progress, result):
        trials = tuple(TrialRecord(spec=spec, progress=(progress,), result=result) for spec in specs)
        record = StudyRecord(name="study", trials=trials, test={"metrics": {"test.accuracy": 0.5}})
        assert StudyRecord.model_validate_json(record.model_dump_json()).model_dump_json() == record.model_dump_json()

    def test_cannot_be_changed(self):
        with pytest.raises(ValidationError, match="frozen"):
            TrialSpec(number=1).number = 2

    @pytest.mark.parametrize("record", [TrialSpec, Progress, TrialResult, StudyRecord, StudyStart])
    def test_have_no_place_for_what_they_do_not_know(self, record):
        with pytest.raises(ValidationError, match="extra_forbidden"):
            record.model_validate({"sepc": 1})


class TestAnEndReason:
    @pytest.mark.parametrize("end", EndReason)
    def test_says_what_it_means(self, end):
        assert len(end.sentence.split()) > 2
        assert end.state in TrialState

    def test_leaves_a_trial_complete_only_where_it_came_to_its_own_end(self):
        assert [end for end in EndReason if end.state is TrialState.COMPLETE] == ["finished", "early-stopped"]
        assert [end for end in EndReason if end.state is TrialState.PRUNED] == ["pruned"]


class TestBetter:
    @given(OBJECTIVES, NUMBERS, NUMBERS)
    def test_holds_one_way_only(self, objective, one, other):
        assert not (objective.better(one, other) and objective.better(other, one))

    @given(OBJECTIVES, NUMBERS)
    def test_nan_beats_nothing_and_is_beaten_by_every_number(self, objective, value):
        assert not objective.better(math.nan, value)
        assert objective.better(value, math.nan) == (not math.isnan(value))

    def test_follows_the_direction(self):
        assert Objective(direction="maximize").better(0.8, 0.7)
        assert Objective(direction="minimize").better(0.7, 0.8)


def study(*values, direction="maximize", end=EndReason.FINISHED):
    trials = [
        TrialRecord(
            spec=TrialSpec(number=number),
            result=TrialResult(trial=number, end=end, reason="", value=value),
        )
        for number, value in enumerate(values)
    ]
    return StudyRecord(name="study", objective=Objective(direction=direction), trials=tuple(trials))


class TestTheBestTrial:
    @pytest.mark.parametrize(
        ("values", "direction", "number"),
        [
            ((0.5, 0.9, 0.7), "maximize", 1),
            ((0.5, 0.9, 0.7), "minimize", 0),
            ((0.5, 0.9, 0.9), "maximize", 1),
            ((math.nan, 0.1, math.nan), "maximize", 1),
            ((None, 0.1), "maximize", 1),
        ],
    )
    def test_has_the_best_value_and_the_least_number(self, values, direction, number):
        assert study(*values, direction=direction).best.spec.number == number

    @pytest.mark.parametrize("values", [(), (None,), (math.nan,)])
    def test_is_none_where_nothing_was_measured(self, values):
        assert study(*values).best is None

    @pytest.mark.parametrize("end", [EndReason.PRUNED, EndReason.DIVERGED, EndReason.INTERRUPTED])
    def test_is_complete(self, end):
        assert study(0.9, end=end).best is None


@pytest.mark.parametrize(
    ("end", "details", "expected"),
    [
        (EndReason.WORKER_LOST, {}, True),
        (EndReason.OUT_OF_MEMORY, {"killed": "by the kernel"}, True),
        (EndReason.OUT_OF_MEMORY, {"on_gpu": True}, True),
        (EndReason.OUT_OF_MEMORY, {}, False),
        (EndReason.CRASHED, {}, False),
    ],
)
def test_a_trial_is_tried_again_where_it_may_end_otherwise(end, details, expected):
    result = TrialResult(trial=0, attempt=1, end=end, reason=end.value, details=details)
    assert result.deserves_retry is expected


def test_a_trial_that_goes_on_has_not_ended():
    interrupted = TrialResult(trial=0, end=EndReason.INTERRUPTED, reason="interrupted", final=False)
    for result, count in ((interrupted, 0), (interrupted.model_copy(update={"final": True}), 1)):
        study = StudyRecord(name="s", trials=(TrialRecord(spec=TrialSpec(number=0), result=result),))
        assert study.count(TrialState.FAILED) == count
