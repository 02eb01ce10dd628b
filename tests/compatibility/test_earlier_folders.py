"""Run folders and model folders that an earlier Textune wrote are still shown, reported, resumed and used."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from textune import commands
from textune.serve.predict import find_pipeline
from textune.tracking.line_log import read_events
from textune.tracking.log import read_study

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
TEXTS = ["a fine film", "a dull and tedious mess", ""]
RUNS = ("finished", "in-search", "in-confirmation", "fidelity")
TIMES = ("seconds", "seconds_per_epoch")


@pytest.fixture
def at(tmp_path, monkeypatch):
    """The fixtures as they were written: the folder they are in is the current one."""
    shutil.copytree(FIXTURES, tmp_path / "runs")
    monkeypatch.chdir(tmp_path / "runs")
    return tmp_path / "runs"


def without_times(value):
    """Returns JSON values without what differs between two runs of one study."""
    if isinstance(value, dict):
        return {name: without_times(each) for name, each in value.items() if name not in TIMES}
    return [without_times(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["finished", "in-search", "fidelity"])
def test_an_earlier_run_is_shown_as_it_was(at, textune, name):
    said = textune("show", at / name, "--json")
    assert (said.code, said.err) == (0, "")
    shown, expected = json.loads(said.out), EXPECTED["show"][name]
    assert {key: shown[key] for key in expected} == expected  # later versions may show more
    assert textune("show", at / name).code == 0


def test_earlier_runs_are_listed(at, textune):
    lines = textune("list", at).out.splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(RUNS)
    assert sorted(line.split()[1] for line in lines) == ["done", "done", "interrupted", "interrupted"]


@pytest.mark.parametrize("name", RUNS)
def test_an_earlier_run_is_reported(at, textune, name):
    said = textune("report", at / name)
    assert (said.code, said.err) == (0, "")
    assert Path(said.out.strip()).stat().st_size > 100_000


@pytest.mark.parametrize("model", ["finished", "finished/best", "bag-of-words"])
def test_an_earlier_model_predicts_the_same(at, textune, model):
    (at / "texts.txt").write_text("\n".join(TEXTS[:2]), encoding="utf-8")
    said = textune("predict", at / model, at / "texts.txt")
    assert (said.code, said.err) == (0, "")
    assert len(said.out.splitlines()) == 1 + len(TEXTS[:2])
    expected = EXPECTED["probabilities"].get(model) or EXPECTED["probabilities"][f"{model}/best"]
    np.testing.assert_allclose(find_pipeline(at / model).predict(TEXTS), expected, atol=1e-6)


def test_an_earlier_finished_run_is_finished(at, textune):
    before = (at / "finished" / "events.jsonl").read_bytes()
    said = textune("run", at / "tiny.json", "--out", "finished")
    assert said.code == 0
    assert "finished is finished" in said.err
    assert (at / "finished" / "events.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["in-search", "in-confirmation"])
def test_an_earlier_interrupted_run_ends_as_if_it_had_not_been(at, name):
    undisturbed = read_study(at / "finished")
    resumed = commands.run(at / "tiny.json", out=Path(name), quiet=True).record
    assert resumed.state == "done"
    for one, other in ((resumed.trials, undisturbed.trials), (resumed.repeats, undisturbed.repeats)):
        assert [each.result.value for each in one] == [each.result.value for each in other]
        assert [each.spec.params for each in one] == [each.spec.params for each in other]
    assert without_times(resumed.confirmation) == without_times(undisturbed.confirmation)
    assert resumed.test["metrics"] == undisturbed.test["metrics"]
    assert read_study(Path(name)).trials == resumed.trials


def test_an_earlier_finished_run_takes_more_trials(at):
    before = read_study(Path("finished"))
    more = commands.run(at / "tiny.json", out=Path("finished"), overrides=["search.trials=4"], quiet=True).record
    assert more.state == "done"
    assert more.trials[:3] == before.trials
    assert len(more.trials) == 4
    assert read_study(Path("finished")).trials == more.trials


def test_an_earlier_fidelity_is_not_trained_again(at):
    before = len(read_events(at / "fidelity" / "events.jsonl")[0])
    measured = commands.fidelity(at / "bag.json", out=Path("fidelity"), configurations=3, quiet=True)
    assert measured.exit_code == 0
    assert measured.found == EXPECTED["show"]["fidelity"]
    assert len(read_events(at / "fidelity" / "events.jsonl")[0]) == before


def test_numbers_of_earlier_folders_keep_their_type(at, textune):
    """Counts stay whole numbers where they are shown and written again."""
    first = json.loads((at / "finished" / "events.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert json.dumps(read_study(at / "finished").header["data"]["splits"]) == json.dumps(
        first["content"]["header"]["data"]["splits"]
    )
    shown = textune("show", at / "fidelity", "--json").out
    assert json.dumps(json.loads(shown)) == json.dumps(EXPECTED["show"]["fidelity"])
