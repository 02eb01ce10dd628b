"""Whole studies that confirm their winner: what is written, what is handed over, and that going on changes nothing."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from textune import commands
from textune.config.study import ConfirmConfig
from textune.pipeline import Pipeline
from textune.records import EndReason, TrialSpec
from textune.tracking.confirmation import ConfirmationTable

CONFIRM = {"top": 3, "max_share": 1_000, "max_repeats": 3, "margin": 50.0}
SPACE = {"model.encoder.num_filters": [4, 16]}  # with this margin all tie, and the smallest is handed over


@pytest.fixture(scope="module")
def study(tiny_study):
    """The tiny study over three sizes, the base point's 8 among them; `changes` are of its top level."""

    def make(**changes):
        search = {"space": SPACE, "sampler": {"kind": "grid"}}
        return {**tiny_study, "search": search, "confirm": CONFIRM, **changes}

    return make


@pytest.fixture(scope="module")
def whole(study, tmp_path_factory):
    """The study, run to its end."""
    return commands.run(study(), out=tmp_path_factory.mktemp("runs") / "whole", quiet=True)


def told(record):
    """What must not depend on interruptions: all but times."""
    confirmation = {key: value for key, value in record.confirmation.items() if key != "candidates"}
    candidates = [{k: v for k, v in each.items() if k != "seconds"} for each in record.confirmation["candidates"]]
    return confirmation, candidates


def rows_of(folder):
    with (folder / "confirmation.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_best_are_trained_again_and_one_is_handed_over(whole):
    record, folder = whole.record, whole.folder.path
    confirmation = record.confirmation
    assert confirmation["verdict"] == "tie"
    assert confirmation["candidates"][0]["trial"] == record.best.spec.number
    assert sorted(each["trial"] for each in confirmation["candidates"]) == [0, 1, 2]
    rows = rows_of(folder)
    assert len(rows) == confirmation["runs"] == 9 == len(record.repeats)
    for each in confirmation["candidates"]:
        assert len(each["values"]) == 3
        own = [float(row["valid.accuracy"]) for row in rows if row["trial"] == str(each["trial"])]
        assert sorted(own) == pytest.approx(sorted(each["values"]), abs=1e-5)
    assert {row["purpose"] for row in rows} == {"race"}
    assert {row["rows"] for row in rows} == {"resplit"}
    assert len((folder / "trials.csv").read_text().splitlines()) == 1 + len(record.trials)


def test_the_model_is_that_of_the_chosen(whole):
    record, folder = whole.record, whole.folder.path
    assert record.chosen.spec.number == record.confirmation["chosen"]
    assert record.chosen.spec.params == {"model.encoder.num_filters": 4} != record.best.spec.params
    assert json.loads((folder / "best" / "textune.json").read_text())["model"]["encoder"]["num_filters"] == 4
    assert Pipeline.load(folder / "best").predict(["a fine day"]).shape == (1, 2)
    shown = commands.show(folder, as_json=True)
    assert shown["chosen"]["trial"] == shown["confirmation"]["chosen"]
    assert "Is it real?" in (folder / "report.html").read_text(encoding="utf-8")


def test_off_trains_nothing_again_and_says_so(study, tmp_path):
    finished = commands.run(study(confirm="off"), out=tmp_path / "run", quiet=True)
    assert finished.record.confirmation is None
    assert not (tmp_path / "run" / "confirmation.csv").exists()
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Not confirmed" in text
    assert "the study has confirm: off" in text


def test_too_little_time_is_told(study, tmp_path):
    confirm = {**CONFIRM, "max_share": 1e-6}
    record = commands.run(study(confirm=confirm), out=tmp_path / "run", quiet=True).record
    assert (record.confirmation["verdict"], record.confirmation["chosen"], record.repeats) == ("none", None, ())
    found = re.search(r"; set confirm\.max_share to ([\d.e-]+), or search longer$", record.confirmation["reason"])
    assert found
    assert record.chosen is record.best
    enough = {**CONFIRM, "max_share": 3 * float(found[1])}  # another run is not as fast
    again = commands.run(study(confirm=enough), out=tmp_path / "again", quiet=True).record
    assert again.confirmation["verdict"] != "none"


@pytest.mark.parametrize(
    ("given", "searched", "allowed"),
    [({}, 4.0, 60.0), ({}, 1_000.0, 500.0), ({"max_share": 0.5}, 4.0, 2.0), ({"max_share": 3.0}, 1_000.0, 3_000.0)],
)
def test_a_confirmation_may_take_a_share_of_the_search_or_a_minute_where_none_is_given(given, searched, allowed):
    assert ConfirmConfig.model_validate(given).seconds(searched) == allowed


def test_a_study_of_seconds_is_confirmed_without_a_setting(study, tmp_path):
    record = commands.run(study(confirm={"top": 2, "max_repeats": 3}), out=tmp_path / "run", quiet=True).record
    assert record.confirmation["verdict"] in ("winner", "tie", "undecided")
    assert "enough" not in record.confirmation  # it had time for all


def test_without_test_rows_the_choice_is_scored_on_rows_of_its_own(study, tmp_path):
    lines = ["text,label"] + [
        f"word{row % 13} {'good' if row % 2 else 'bad'} {row},{'pos' if row % 2 else 'neg'}" for row in range(200)
    ]
    (tmp_path / "data.csv").write_text("\n".join(lines), encoding="utf-8")
    data = {"kind": "files", "path": str(tmp_path / "data.csv")}
    finished = commands.run(
        study(data=data, split={"kind": "holdout", "test_share": 0.0}), out=tmp_path / "run", quiet=True
    )
    record = finished.record
    assert record.test is None
    assert len(record.confirmation["estimate"]["values"]) == 3
    assert [row["purpose"] for row in rows_of(tmp_path / "run")] == ["race"] * 9 + ["estimate"] * 3
    scored = {}
    for each in record.repeats:
        with np.load(Path(each.result.folder) / "outcomes.npz") as outcomes:
            scored.setdefault(each.spec.repeat.purpose, set()).update(outcomes["rows"].tolist())
    assert not scored["race"] & scored["estimate"]
    assert "Without test rows: " in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_stopped_inside_a_confirmation_it_goes_on_to_the_same(study, whole, tmp_path, monkeypatch):
    record_event = ConfirmationTable.record

    def interrupt(self, event):
        record_event(self, event)
        if isinstance(event, TrialSpec) and event.number == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(ConfirmationTable, "record", interrupt)
        stopped = commands.run(study(), out=tmp_path / "run", quiet=True)
    assert (stopped.exit_code, stopped.record.confirmation) == (130, None)
    ends = [each.result.end for each in stopped.record.repeats]
    assert len(ends) == 5
    assert ends[-1] is EndReason.INTERRUPTED
    assert "trainings so far, and nothing is decided" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    record = commands.run(study(), out=tmp_path / "run", quiet=True).record
    assert told(record) == told(whole.record)
    assert [row["valid.accuracy"] for row in rows_of(tmp_path / "run")] == [
        row["valid.accuracy"] for row in rows_of(whole.folder.path)
    ]
