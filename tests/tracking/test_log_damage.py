"""Lines of a log that are lost, doubled, swapped, cut or changed: a sentence that names the line, or the same study."""

import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textune.errors import RunFolderError
from textune.run_folder import EVENTS
from textune.storage import dump_json
from textune.tracking.line_log import LineLog, read_events
from textune.tracking.log import FORMAT, EventLog, read_past, read_study

EARLIER = Path(__file__).parents[1] / "compatibility" / "fixtures" / "finished"
"""A whole study with a confirmation and a test reading, whose lines are not chained."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same study as this version writes it."""
    folder = tmp_path_factory.mktemp("whole")
    with LineLog(folder / EVENTS) as log:
        for event in read_events(EARLIER / EVENTS)[0]:
            log.append(event)
    return folder


@pytest.fixture(scope="module")
def lines(whole):
    return (whole / EVENTS).read_bytes().splitlines(keepends=True)


def check(folder, lines, whole):
    """A sentence that names a line, or the study up to where the log was cut."""
    (folder / EVENTS).write_bytes(b"".join(lines))
    try:
        read_past(folder)
    except RunFolderError as error:
        assert str(error).startswith(f"{folder / EVENTS}:")
        assert "\n" not in str(error)
        return str(error)
    events, _ = read_events(folder / EVENTS)
    assert events == read_events(whole / EVENTS)[0][: len(events)]
    if len(events) == len(read_events(whole / EVENTS)[0]):
        assert told(folder) == told(whole)
    return None


def told(folder):
    """What a log says, wherever it is."""
    return read_study(folder).model_dump_json().replace(str(folder), "")


def test_a_log_of_an_earlier_version_tells_the_same_study(whole):
    assert told(whole) == told(EARLIER)


def test_a_lost_line_is_named(whole, lines, tmp_path):
    for number in range(len(lines) - 1):
        said = check(tmp_path, [*lines[:number], *lines[number + 1 :]], whole)
        assert (
            f"{EVENTS}:{number + 1}: the line is number {number + 2} of the log, not {number + 1}: lines were" in said
        )


def test_a_doubled_line_is_named(whole, lines, tmp_path):
    for number in range(len(lines)):
        said = check(tmp_path, [*lines[: number + 1], *lines[number:]], whole)
        assert f"{EVENTS}:{number + 2}: the line is number {number + 1} of the log, not {number + 2}" in said


def test_swapped_lines_are_named(whole, lines, tmp_path):
    for number in range(len(lines) - 1):
        said = check(tmp_path, [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]], whole)
        assert f"{EVENTS}:{number + 1}: the line is number {number + 2} of the log, not {number + 1}" in said


def test_a_line_of_another_log_is_named(whole, lines, tmp_path):
    """It has the right number, and its own checksum is right."""
    changed = tmp_path / "changed"
    changed.mkdir()
    events, _ = read_events(whole / EVENTS)
    with LineLog(changed / EVENTS) as log:
        for number, event in enumerate(events):
            log.append({**event, "time": event["time"] + 1} if number == 4 else event)
    other = (changed / EVENTS).read_bytes().splitlines(keepends=True)
    said = check(tmp_path, [*lines[:4], other[4], *lines[5:]], whole)
    assert f"{EVENTS}:6: the line does not follow the one before it" in said
    assert f"head -n 5 {tmp_path / EVENTS} >" in said


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_happens_to_lines_is_a_sentence_or_the_same_study(whole, lines, tmp_path_factory, data):
    lines = list(lines)
    place = st.integers(0, len(lines) - 1)
    for _ in range(data.draw(st.integers(1, 3))):
        one, other = data.draw(place), data.draw(place)
        match data.draw(st.sampled_from(["lose", "double", "swap", "move", "cut", "change", "cut a line"])):
            case "lose":
                lines[one] = b""
            case "double":
                lines[one] *= 2
            case "swap":
                lines[one], lines[other] = lines[other], lines[one]
            case "move":
                lines[one], lines[other] = b"", lines[other] + lines[one]
            case "cut":
                lines[one:] = [b""] * (len(lines) - one)
            case "change" if lines[one]:
                at = data.draw(st.integers(0, len(lines[one]) - 1))
                lines[one] = (
                    lines[one][:at] + bytes([lines[one][at] ^ data.draw(st.integers(1, 255))]) + lines[one][at + 1 :]
                )
            case "cut a line" if lines[one]:
                lines[one] = lines[one][: data.draw(st.integers(0, len(lines[one]) - 1))]
    check(tmp_path_factory.getbasetemp(), lines, whole)


class TestALogThatAnEarlierVersionBegan:
    """Its own lines are not chained; those that follow are."""

    @pytest.fixture
    def resumed(self, tmp_path):
        (tmp_path / EVENTS).write_bytes((EARLIER / EVENTS).read_bytes())
        start = read_past(tmp_path).start
        log = EventLog(tmp_path)
        log.start(start, resumed=True)
        log.end_phase("search", (3, None), "done", "all 3 trials were run", 1.0)
        log.finish("done", "all 3 trials were run", 2.0)
        log.close()
        return tmp_path

    def test_is_read(self, resumed):
        ours, theirs = read_study(resumed), read_study(EARLIER)
        assert [trial.result.metrics for trial in ours.trials] == [trial.result.metrics for trial in theirs.trials]
        assert ours.state == "done"

    def test_is_chained_from_there_on(self, resumed):
        lines = [json.loads(line) for line in (resumed / EVENTS).read_bytes().splitlines()]
        num_earlier = len(read_events(EARLIER / EVENTS)[0])
        assert not any("previous" in line for line in lines[:num_earlier])
        assert lines[num_earlier]["format"] == FORMAT
        for number, line in enumerate(lines[num_earlier:], start=num_earlier + 1):
            assert (line["line"], line["previous"]) == (number, lines[number - 2]["crc"])

    @pytest.mark.parametrize("number", [3, -3])
    def test_misses_lost_lines(self, resumed, number):
        lines = (resumed / EVENTS).read_bytes().splitlines(keepends=True)
        del lines[number]
        (resumed / EVENTS).write_bytes(b"".join(lines))
        with pytest.raises(RunFolderError, match=rf"{EVENTS}:\d+: "):
            read_past(resumed)

    def test_is_not_continued_by_one(self, resumed):
        with (resumed / EVENTS).open("ab") as file:
            file.write(unchained({"event": "study-resumed", "time": 1.0, "content": {}}))
        with pytest.raises(RunFolderError, match="not chained to the one before it; an older Textune"):
            read_past(resumed)


def unchained(event):
    """Returns a line as earlier versions wrote it."""
    text = dump_json(event).encode()
    return text[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(text)


def with_event(folder, *changed, after=None):
    """Writes the whole study with other lines after a number of lines; each of them is chained as it should be."""
    events, _ = read_events(EARLIER / EVENTS)
    number = len(events) if after is None else after
    with LineLog(folder / EVENTS) as log:
        for event in (*events[:number], *changed, *events[number:]):
            log.append(event)


def test_a_newer_log_is_refused_with_what_to_do(tmp_path):
    with_event(tmp_path, {"event": "study-resumed", "format": FORMAT + 1, "time": 1.0, "content": {}, "cost": 1})
    said = rf"{EVENTS}:\d+: a newer Textune wrote this log \(format {FORMAT + 1}; .* up to {FORMAT}\); update Textune"
    with pytest.raises(RunFolderError, match=said):
        read_past(tmp_path)


def events_named(name):
    return [(number, event) for number, event in enumerate(read_events(EARLIER / EVENTS)[0]) if event["event"] == name]


STARTED, MEASURED, ENDED = (events_named(name) for name in ("trial-started", "progress", "trial-ended"))
CONFIRMED, PHASE_ENDED = events_named("confirmed")[0], events_named("phase-ended")[0]


def changed(event, **content):
    return {**event, "content": {**event["content"], **content}}


MISPLACED = {
    "an end without a start": (changed(ENDED[0][1], trial=7), STARTED[1][0], "trial 7 had not started before"),
    "a measurement without a start": (changed(MEASURED[0][1], trial=7), STARTED[1][0], "trial 7 had not started"),
    "a measurement after the end": (changed(MEASURED[0][1], epoch=9), STARTED[1][0], "trial 0 had ended before"),
    "a measurement of another attempt": (changed(MEASURED[0][1], attempt=2), MEASURED[0][0], "trial 0 is in attempt 1"),
    "a measurement made twice": (MEASURED[0][1], MEASURED[0][0] + 1, "trial 0 measured epoch 1 before"),
    "an end that goes on": (changed(ENDED[0][1], final=False), ENDED[0][0], "'trial-ended' is of a trial that goes on"),
    "a trial too many": (
        changed(STARTED[1][1], number=9),
        STARTED[1][0],
        "trial 9 starts, and trial 8 had not started",
    ),
    "a second start": (STARTED[0][1], MEASURED[0][0], "attempt 1 of trial 0 starts where attempt 2 is due"),
    "a start after the end": (changed(STARTED[0][1], attempt=2), STARTED[1][0], "trial 0 had ended before"),
    "a repeat of none": (changed(STARTED[1][1], repeat_of=5), STARTED[1][0], "trial 1 repeats trial 5, which had not"),
    "a phase inside another": (
        {**PHASE_ENDED[1], "phase": "full/x"},
        STARTED[1][0],
        "and phase 'search' has not ended",
    ),
    "a phase that ends twice": (PHASE_ENDED[1], PHASE_ENDED[0] + 1, "phase 'search', which had ended before"),
    "another beginning": (read_events(EARLIER / EVENTS)[0][0], 1, "'study-started' comes again"),
    "what follows the end": (CONFIRMED[1], None, "'confirmed' follows the end of the study"),
    "another chosen trial": (changed(CONFIRMED[1], chosen=2), CONFIRMED[0], "chooses trial 2, which is not among its"),
    "a candidate of no search": (
        changed(CONFIRMED[1], candidates=[{**CONFIRMED[1]["content"]["candidates"][0], "trial": 8}]),
        CONFIRMED[0],
        "compares trial 8, which the search does not have",
    ),
}


@pytest.mark.parametrize(("event", "after", "said"), MISPLACED.values(), ids=MISPLACED)
def test_a_line_that_cannot_follow_those_before_it_is_named(tmp_path, event, after, said):
    with_event(tmp_path, event, after=after)
    with pytest.raises(RunFolderError) as error:
        read_past(tmp_path)
    number = (len(read_events(EARLIER / EVENTS)[0]) if after is None else after) + 1
    assert str(error.value).startswith(f"{tmp_path / EVENTS}:{number}: ")
    assert said in str(error.value)
    assert "lines are missing, doubled or out of order" in str(error.value)


WRONG = {
    "an end": (changed(PHASE_ENDED[1], limits=[]), "limits"),
    "a confirmation": (changed(CONFIRMED[1], candidates=[{"trial": 0}]), r"confirmed\.content\.candidates\.0\.params"),
    "a verdict": (changed(CONFIRMED[1], verdict="sure"), "verdict"),
    "a test reading": ({"event": "test-read", "time": 1.0, "content": {"metrics": [0.5]}}, "metrics"),
    "an event": ({"event": "trial-paused", "time": 1.0, "content": {}}, "event"),
    "a time": ({"event": "test-read", "time": "noon", "content": {}}, "time"),
}


@pytest.mark.parametrize(("event", "where"), WRONG.values(), ids=WRONG)
def test_a_line_that_means_nothing_is_named(tmp_path, event, where):
    with_event(tmp_path, event, after=STARTED[1][0])
    with pytest.raises(RunFolderError, match=rf"{EVENTS}:{STARTED[1][0] + 1}: the line is not understood \(.*{where}"):
        read_past(tmp_path)
