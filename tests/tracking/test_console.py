from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest

from textune.records import EndReason, Objective, Progress, Repeat, StudyRecord, TrialResult, TrialSpec
from textune.tracking.base import StudyStart
from textune.tracking.console import Console, opening_line
from textune.tracking.rounds import Round


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def begin(**settings):
    return StudyStart(**{"name": "s", "objective": Objective(), **settings})


class Terminal(io.StringIO):
    def isatty(self):
        return True


def spec(number, **params):
    return TrialSpec(number=number, params=params)


def progress(number, epoch, value=0.5):
    return Progress(trial=number, epoch=epoch, epochs=4, value=value)


def result(number, value=0.5, end=EndReason.FINISHED, reason=None):
    return TrialResult(trial=number, end=end, reason=reason or end.value, value=value, epochs=4, seconds=2.0)


def lines_of(events, *, trials=4, clock=None, **settings):
    stream = io.StringIO()
    with Console(stream=stream, clock=clock or Clock(), **settings) as console:
        console.start(begin(trials=trials))
        for event in events:
            console.record(event)
        console.finish(StudyRecord(name="s"))
    return stream.getvalue().splitlines()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_the_opening_line_tells_trials_time_and_disk():
    start = begin(trials=80, header={"estimate": {"seconds": 5_400.0, "disk_bytes": 12_000_000}})
    assert opening_line(start) == "s: maximize valid.accuracy; 80 trials, about 1 h 30 min, about 12 MB on disk"


def test_the_opening_line_admits_what_is_not_known():
    start = begin(objective=Objective(metric="valid.loss", direction="minimize"))
    line = opening_line(start)
    assert line.startswith("s: minimize valid.loss; as many trials as it takes, ")
    assert "after the first trial" in line
    assert "no trial starts after 10 min 00 s" in opening_line(start.model_copy(update={"timeout_seconds": 600.0}))


def test_a_pipe_gets_one_line_for_each_trial_and_sees_improvements():
    events = [
        spec(0),
        progress(0, 4),
        result(0, 0.5),
        spec(1, **{"a.size": 3}),
        result(1, 0.4),
        spec(2),
        result(2, 0.6),
    ]
    lines = lines_of(events)
    assert len(lines) == 4
    assert lines[1].startswith("[1/4] trial 0 finished, valid.accuracy 0.5000 (best so far), 2.0 s")
    assert "best so far" not in lines[2]
    assert "size=3" in lines[2]
    assert "0.6000 (best so far)" in lines[3]


def test_a_smaller_loss_is_an_improvement_where_it_is_minimized():
    stream = io.StringIO()
    console = Console(stream=stream)
    console.start(begin(objective=Objective(metric="valid.loss", direction="minimize")))
    for event in (spec(0), result(0, 0.5), spec(1), result(1, 0.6), spec(2), result(2, float("nan"))):
        console.record(event)
    assert [("best so far" in line) for line in stream.getvalue().splitlines()[1:]] == [True, False, False]


def test_a_failed_trial_says_why_and_a_pruned_one_is_never_the_best():
    events = [
        spec(0),
        result(0, None, EndReason.CRASHED, "crashed: ValueError: no"),
        spec(1),
        result(1, 0.9, EndReason.PRUNED),
    ]
    lines = lines_of(events)
    assert "trial 0 crashed: ValueError: no" in lines[1]
    assert "best so far" not in lines[2]


def test_a_single_trial_tells_its_epochs():
    lines = lines_of([spec(0), progress(0, 1), progress(0, 2), result(0)], trials=1)
    assert [line[:9] for line in lines[1:3]] == ["epoch 1/4", "epoch 2/4"]


def test_quiet_prints_nothing():
    assert lines_of([spec(0), result(0)], quiet=True) == []


def test_time_left_counts_what_running_trials_have_done():
    clock = Clock()
    stream = io.StringIO()
    console = Console(stream=stream, clock=clock)
    console.start(begin(trials=4))
    console.record(spec(0))
    console.record(spec(1))
    console.record(progress(1, 2))
    clock.now = 30.0
    console.record(result(0))
    assert stream.getvalue().rstrip().endswith("50 s left"), "1.5 trials took 30 s, 2.5 are left"


def test_time_left_knows_that_an_earlier_session_took_its_own_time():
    clock, stream = Clock(), io.StringIO()
    console = Console(stream=stream, clock=clock)
    console.start(begin(trials=10))
    for number in range(5):
        console.replay(spec(number))
        console.replay(result(number))
    console.record(spec(5))
    clock.now = 60.0
    console.record(result(5))
    assert stream.getvalue().rstrip().endswith("4 min 00 s left"), "one trial took a minute, four are left"


def test_text_from_data_cannot_steer_the_terminal():
    (line,) = lines_of([spec(0, **{"a.b": "\x1b[31m[bold]red[/bold]\u202e"}), result(0)])[1:]
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert "b=\\x1b[31m[bold]red[/bold]\\u202e" in line


def test_a_terminal_gets_a_live_table_and_is_left_clean():
    stream = Terminal()
    with Console(stream=stream, clock=Clock()) as console:
        console.start(begin(trials=40))
        for event in (spec(0, **{"x.cell": "[red]lstm"}), progress(0, 3, 0.25), spec(1), result(1, 0.5)):
            console.record(event)
        console.say("a warning [of sorts]")
        console._live.refresh()
    shown = stream.getvalue()
    assert "best so far" in shown
    assert "0.5000" in shown
    assert "3/4" in shown
    assert "cell=[red]lstm" in shown
    assert "1 of 40 trials ended" in shown
    assert "a warning [of sorts]" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1, "the cursor is hidden and shown again"


def test_a_confirmation_takes_the_place_of_the_live_table():
    stream = Terminal()
    with Console(stream=stream, clock=Clock()) as console:
        console.start(begin(trials=2))
        rounds = console.rounds()
        rounds.tell(Round((5, 0), (), 0, 0, 6))
        rounds.record(TrialSpec(number=0, candidate=5, repeat=Repeat(number=0)))
        rounds.record(result(0).model_copy(update={"seconds": 99.0}))
        console._live.refresh()
    shown = stream.getvalue()
    assert "confirming  1 of 6 trainings to the next look" in shown
    assert "repeat 1" not in shown


def test_an_error_leaves_the_terminal_clean():
    stream = Terminal()

    def interrupted_study():
        with Console(stream=stream) as console:
            console.start(begin())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted_study()
    assert stream.getvalue().count("\x1b[?25h") == 1


def test_warnings_stand_above_the_table_and_only_errors_pass_quiet():
    log = logging.getLogger("textune.study")
    loud, quiet = io.StringIO(), io.StringIO()
    with Console(stream=loud), Console(stream=quiet, quiet=True):
        log.warning("a tracker \x1b[2J failed")
        log.error("the disk is full")
    log.warning("after the study")
    assert loud.getvalue() == "a tracker \\x1b[2J failed\nthe disk is full\n"
    assert quiet.getvalue() == "the disk is full\n"


def test_many_running_trials_are_cut_to_what_a_screen_holds():
    stream = Terminal()
    with Console(stream=stream) as console:
        console.start(begin())
        for number in range(100):
            console.record(spec(number))
        console._live.refresh()
    assert "and 88 more" in stream.getvalue()


def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys, textune.tracking.console; "
        "sys.exit(', '.join({'torch', 'rich', 'plotly', 'pandas', 'sklearn', 'numpy'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
