import gc
import json
import os
import signal
import subprocess
import sys

import pytest

from textune.errors import FatalError, RunFolderError
from textune.records import EndReason, Objective, Progress, StudyStart, TrialResult, TrialSpec
from textune.run_folder import EVENTS
from textune.testing.trackers import an_eventful_study
from textune.tracking.history import StudyHistory
from textune.tracking.line_log import LineLog, read_events
from textune.tracking.log import EventLog, read_study

START = StudyStart(name="study", objective=Objective(metric="valid.loss", direction="minimize"), header={"seed": 42})


def write(folder, events, end=None):
    log, history = EventLog(folder), StudyHistory(START)
    log.start(START)
    for event in events:
        log.record(event)
        history.add(event)
    if end is not None:
        log.finish(*end)
        history.end(*end)
    log.close()
    return history.record()


def test_a_study_is_read_as_it_happened(tmp_path):
    written = write(tmp_path, an_eventful_study(), ("done", "all trials were run", 12.5))
    read = read_study(tmp_path)
    assert read.model_dump_json() == written.model_dump_json()  # NaN equals NaN only as text
    assert (read.state, read.seconds, read.header) == ("done", 12.5, {"seed": 42})


def test_every_line_is_json_with_name_and_time(tmp_path):
    write(tmp_path, an_eventful_study(), ("done", "", 1.0))
    lines = [json.loads(line) for line in (tmp_path / EVENTS).read_text().splitlines()]
    assert {line["event"] for line in lines} == {
        "study-started",
        "trial-started",
        "progress",
        "trial-ended",
        "study-ended",
    }
    assert all(line["time"] > 1.7e9 for line in lines)


def test_a_study_that_did_not_end_is_running(tmp_path):
    write(tmp_path, [TrialSpec(number=0), Progress(trial=0, epoch=1, epochs=3, value=0.5)])
    study = read_study(tmp_path)
    assert study.state == "running"
    assert study.trials[0].result is None
    assert len(study.trials[0].progress) == 1


def test_the_reading_of_the_test_split_is_kept_after_the_end(tmp_path):
    write(tmp_path, [], ("done", "", 1.0))
    log = EventLog(tmp_path)
    log.read_test({"test.accuracy": 0.5, "test.loss": float("nan")})
    log.close()
    assert read_study(tmp_path).test == {"test.accuracy": 0.5, "test.loss": "NaN"}


def test_a_later_attempt_goes_on_from_what_the_earlier_one_measured(tmp_path):
    events = [
        TrialSpec(number=0),
        Progress(trial=0, epoch=1, epochs=2, value=0.9),
        TrialResult(trial=0, end=EndReason.WORKER_LOST, reason="worker-lost"),
        TrialSpec(number=0, attempt=2),
        Progress(trial=0, attempt=2, epoch=2, epochs=2, value=0.1),
    ]
    (trial,) = write(tmp_path, events).trials
    assert (trial.spec.attempt, trial.result, [progress.value for progress in trial.progress]) == (2, None, [0.9, 0.1])


def test_a_torn_last_line_is_left_out(tmp_path):
    write(tmp_path, [TrialSpec(number=0), TrialSpec(number=1)])
    content = (tmp_path / EVENTS).read_bytes()
    (tmp_path / EVENTS).write_bytes(content[:-20])
    assert len(read_study(tmp_path).trials) == 1


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"event":"trial-started"}\n'])
def test_what_is_no_log_is_refused_with_its_name(tmp_path, content):
    (tmp_path / EVENTS).write_bytes(content)
    with pytest.raises(RunFolderError, match=EVENTS):
        read_study(tmp_path)


def test_a_log_of_another_version_is_refused(tmp_path):
    log = EventLog(tmp_path)
    log.start(START)
    log._append("trial-paused", "{}")
    log.close()
    with pytest.raises(RunFolderError, match="another version"):
        read_study(tmp_path)


@pytest.mark.parametrize("phase", [None, 3, ["search"]])
def test_a_log_whose_phases_have_no_names_is_refused(tmp_path, phase):
    write(tmp_path, an_eventful_study())
    lines, _ = read_events(tmp_path / EVENTS)
    (tmp_path / EVENTS).unlink()
    with LineLog(tmp_path / EVENTS) as log:
        for line in lines:
            log.append({**{name: value for name, value in line.items() if name != "crc"}, "phase": phase})
    with pytest.raises(RunFolderError, match="another version"):
        read_study(tmp_path)


@pytest.mark.parametrize("change", [{"limits": []}, {"seconds": "long"}, {"state": "lost"}])
def test_a_log_that_tells_an_end_in_another_way_is_refused(tmp_path, change):
    log = EventLog(tmp_path)
    log.start(START)
    end = {"state": "done", "reason": "all trials were run", "seconds": 1.0, "limits": [3, None]}
    log._append("phase-ended", json.dumps({**end, **change}), "search")
    log.close()
    with pytest.raises(RunFolderError, match="another version"):
        read_study(tmp_path)


def test_a_log_that_cannot_be_written_is_fatal(tmp_path):
    log = EventLog(tmp_path)
    log.start(START)
    log._lines._error = OSError(28, "No space left on device")
    with pytest.raises(FatalError, match="No space left"):
        log.record(TrialSpec(number=0))
    log.close()


def test_events_survive_a_killed_process(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from textune.records import Objective, StudyStart, TrialSpec
from textune.tracking.log import EventLog
log = EventLog(Path({str(tmp_path)!r}))
log.start(StudyStart(name="s", objective=Objective()))
for number in range(100):
    log.record(TrialSpec(number=number))
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(read_study(tmp_path).trials) == 100


def test_equal_parts_of_configs_are_kept_once_and_others_apart(tmp_path):
    """What many trials share is in memory once; 1, 1.0 and true are not the same."""
    parts = [{"a": {"b": [1]}, "c": 1}, {"a": {"b": [1]}, "c": 1.0}, {"a": {"b": [True]}, "c": True}]
    configs = [{"data": {"kind": "files", "columns": ["x"]}, "training": part, "seed": 1} for part in parts]
    write(tmp_path, [TrialSpec(number=number, config=config) for number, config in enumerate(configs)])
    read = [trial.spec.config for trial in read_study(tmp_path).trials]
    assert repr(read) == repr(configs)
    assert read[0]["data"] is read[1]["data"] is read[2]["data"]
    assert read[0]["training"]["a"] is read[1]["training"]["a"]


@pytest.mark.parametrize("is_enabled", [True, False])
def test_reading_leaves_the_garbage_collector_as_it_was(tmp_path, is_enabled):
    write(tmp_path, [TrialSpec(number=0)])
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / EVENTS).write_bytes((tmp_path / EVENTS).read_bytes() * 2)
    try:
        gc.enable() if is_enabled else gc.disable()
        read_study(tmp_path)
        assert gc.isenabled() == is_enabled
        with pytest.raises(RunFolderError):
            read_study(tmp_path / "damaged")
        assert gc.isenabled() == is_enabled
    finally:
        gc.enable()
