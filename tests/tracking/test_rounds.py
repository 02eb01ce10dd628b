"""What a person sees while configurations are trained again."""

from __future__ import annotations

import pytest

from textune.records import EndReason, Progress, Repeat, TrialResult, TrialSpec
from textune.tracking.rounds import Round, RoundsView


class Screen:
    """A view of a confirmation, what it said, and a clock."""

    def __init__(self, *, is_live=False):
        self.said, self.now = [], 0.0
        self.view = RoundsView(self.said.append, lambda: is_live, lambda: self.now)

    def train(self, *candidates, told=None, seconds=1.0, first=0, purpose="race", end=EndReason.FINISHED):
        for number, candidate in enumerate(candidates, first):
            repeat = Repeat(number=number, purpose=purpose)
            (told or self.view.record)(TrialSpec(number=number, candidate=candidate, repeat=repeat))
            value = None if end is not EndReason.FINISHED else 0.5
            result = TrialResult(trial=number, end=end, reason=f"{end}: why", value=value, seconds=seconds)
            (told or self.view.record)(result)

    def live(self):
        return str(self.view.live())


@pytest.fixture
def screen():
    return Screen()


FIRST = Round((5, 0), (), 0, 0, 6)


def test_a_look_says_who_leads_and_who_dropped_out(screen):
    screen.view.tell(FIRST)
    assert screen.said == []
    screen.train(5, 0, 5, 0, 5, 0)
    screen.view.tell(Round((5,), (0,), 3, 6, 6))
    assert screen.said == ["after 3 repeats: trial 5 leads, trial 0 dropped out"]


def test_nobody_drops_out(screen):
    screen.train(5, 0)
    screen.view.tell(Round((0, 5), (), 1, 2, 6))
    assert screen.said == ["after 1 repeat: trial 0 leads"]


def test_what_an_earlier_session_decided_is_not_said_again(screen):
    screen.view.tell(FIRST)
    screen.view.tell(Round((5, 0), (), 3, 6, 10))  # a log is replayed before its events are told
    screen.train(5, 0, 5, 0, 5, 0, told=screen.view.replay, seconds=100.0)
    assert screen.said == []
    screen.train(5, 0, 5, 0, first=6)
    screen.view.tell(Round((5, 0), (), 5, 10, 10))
    assert screen.said == ["after 5 repeats: trial 5 leads"]


@pytest.mark.parametrize(
    ("is_live", "said"), [(False, ["trial 5, repeat 2: 0.5000, 12 s", "trial 5, repeat 3: 0.5000, 1.0 s"]), (True, [])]
)
def test_once_one_was_long_each_training_has_a_line_where_nothing_is_live(is_live, said):
    screen = Screen(is_live=is_live)
    screen.train(5, seconds=1.0)
    screen.train(5, seconds=12.0, first=1)
    screen.train(5, seconds=1.0, first=2)
    assert screen.said == said


def test_a_failure_is_always_said():
    screen = Screen(is_live=True)
    screen.train(5, end=EndReason.DIVERGED)
    assert screen.said == ["trial 5, repeat 1: diverged: why, 1.0 s"]


def test_the_live_region_tells_how_far_it_is_to_the_next_look(screen):
    assert screen.view.live() is None
    screen.view.tell(FIRST)
    screen.view.tell(Round((5, 0), (), 3, 6, 10))
    screen.train(5, 0, 5, 0, 5, 0, told=screen.view.replay)
    assert screen.live() == "confirming  6 of 10 trainings to the next look · in it: trials 5, 0"
    screen.train(5, first=6)
    screen.view.record(Progress(trial=6, epoch=1, epochs=2, value=0.5))
    screen.now = 20.0
    assert screen.live().startswith("confirming  7 of 10 trainings to the next look")
    assert screen.live().endswith(" · 1 min 00 s left"), "one took 20 s, three are left"
    screen.train(5, 0, 5, first=7)
    screen.view.tell(Round((5,), (0,), 5, 10, 10))
    assert "the repeats are over" in screen.live()


def test_other_trainings_of_a_confirmation_do_not_count(screen):
    screen.view.tell(FIRST)
    screen.train(5, 0, purpose="full")
    assert "0 of 6" in screen.live()


def test_where_all_failed_nobody_leads(screen):
    screen.train(5)
    screen.view.tell(Round((), (5, 0), 1, 1, 1))
    assert screen.said == []
