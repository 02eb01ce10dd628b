"""The lines of trainings that take differently long."""

from textune.records import EndReason, Fidelity, Repeat, StudyStart, TrialResult, TrialSpec
from textune.tracking.trainings import Trainings

START = StudyStart(name="study", objective={"metric": "valid.accuracy"})


def spec(number, repeat, **short):
    fidelity = Fidelity(**short)
    return TrialSpec(number=number, candidate=7, repeat=Repeat(number=repeat, rows="same"), fidelity=fidelity)


def result(number, seconds, **settings):
    settings = {"end": EndReason.FINISHED, "reason": "finished", "value": 0.5, **settings}
    return TrialResult(trial=number, seconds=seconds, **settings)


def test_the_time_left_is_that_of_the_work_left():
    said = []
    tracker = Trainings(said.append, [1.0, 1.0, 0.5, 0.25], slots=2)
    tracker.start(START)
    specs = (spec(0, 0), spec(1, 1), spec(2, 2, epochs=2), spec(3, 2, share=0.25))
    for each in specs:
        tracker.record(each)
    tracker.replay(result(0, 60.0))
    tracker.record(result(1, 100.0))
    tracker.record(result(2, 10.0, final=False))
    tracker.record(result(2, 40.0))
    tracker.record(result(3, 1.0, value=None, end=EndReason.DIVERGED, reason="diverged: at once"))
    assert said == [
        "study: 4 trainings; time left appears after the first one",
        "[2/4] configuration 7 in full again: 0.5000, 1 min 40 s, 30 s left",
        "[3/4] configuration 7 epochs 2: 0.5000, 40 s, 10 s left",
        "[4/4] configuration 7 share 25%: diverged: at once, 1.0 s",
    ]
