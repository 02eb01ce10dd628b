from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from textune.records import EndReason
from textune.report.terminal import show


def shown(study, *arguments):
    stream = io.StringIO()
    Console(file=stream, width=120).print(show(study, *arguments))
    return stream.getvalue()


def test_it_shows_what_won_and_by_how_much(make_study):
    text = shown(make_study())
    for part in (
        "sst5-lstm",
        "0.5136 (95%: 0.4927 – 0.5344)",
        "base point (trial 0)",
        "majority class",
        "Not confirmed",
    ):
        assert part in text
    assert "cell=lstm" in text


def test_it_names_only_files_that_are_there(tmp_path, make_study):
    assert "report.html" not in shown(make_study(2), tmp_path)
    (tmp_path / "report.html").touch()
    assert "report.html" in shown(make_study(2), tmp_path).replace("\n", "")


def test_it_shows_a_study_without_winner(make_study, make_trial):
    trial = make_trial(0, {}, np.random.default_rng(0), EndReason.CRASHED)
    assert "No trial was completed" in shown(make_study(trials=(trial,), test=None))


def test_text_from_a_study_is_no_markup_and_no_escape(make_study, make_trial):
    rng = np.random.default_rng(0)
    trials = (make_trial(0, {}, rng), make_trial(1, {"x.y": "[red]\x1b[2J"}, rng))
    trials = (trials[0].model_copy(update={"result": trials[0].result.model_copy(update={"value": 0.0})}), trials[1])
    text = shown(make_study(trials=trials, name="[bold]s"))
    assert "y=[red]\\x1b[2J" in text
    assert "[bold]s" in text
    assert "\x1b[2J" not in text
