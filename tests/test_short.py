"""A search in short form: it measures cheaply, and what comes out of it is trained in full."""

import json

import pytest

from textune import commands
from textune.errors import DataError, StudyError
from textune.records import Fidelity
from textune.report.verdict import verdict
from textune.tracking.line_log import LineLog, read_events

SHORT = {"epochs": 1, "share": 0.5}
CONFIRM = {"top": 2, "max_repeats": 3, "max_share": 1e9}


@pytest.fixture
def run(tiny_study, tmp_path):
    def search(**changes):
        study = {**tiny_study, "short": SHORT, "confirm": CONFIRM, **changes}
        return commands.run(study, out=tmp_path / "run", quiet=True)

    return search


def card(run):
    """Returns what the model that was handed over says of its training."""
    return json.loads((run.folder.best / "textune.json").read_text(encoding="utf-8"))["study"]


def statements(finished):
    return " ".join(each.text for each in verdict(finished.record))


class TestASearchInShortForm:
    def test_trains_in_short_and_confirms_in_full(self, run):
        finished = run()
        assert {trial.spec.fidelity for trial in finished.record.trials} == {Fidelity(**SHORT)}
        assert {trial.result.epochs for trial in finished.record.trials} == {1}
        full = [each for each in finished.record.repeats if each.spec.repeat.purpose == "full"]
        assert {each.spec.fidelity for each in finished.record.repeats} == {Fidelity()}
        assert {each.result.epochs for each in full} == {3}
        assert {each.spec.candidate for each in full} >= {finished.record.best.spec.number, 0}

    def test_hands_over_what_was_trained_in_full(self, run):
        finished = run()
        chosen = finished.record.in_full(finished.record.chosen)
        assert card(finished)["metrics"] == pytest.approx(chosen.result.metrics)
        assert not list(finished.folder.path.glob("*/*/*/model")), "the others have had their use"

    def test_leaves_no_model_trained_in_short(self, run):
        finished = run(execution={"kind": "serial", "keep_models": "all"})
        assert not list((finished.folder.path / "trials").glob("*/*/model"))
        assert list((finished.folder.path / "confirmation").glob("*/*/model"))

    @pytest.mark.parametrize("changes", [{"confirm": "off"}, {"confirm": {"max_share": 1e-9}}, {"search": {}}])
    def test_hands_over_a_model_in_full_without_a_confirmation_too(self, run, changes, finished):
        short = run(**changes)
        chosen = short.record.best
        assert card(short)["trial"] == chosen.spec.number
        in_full = finished.record.trials[chosen.spec.number]
        assert in_full.spec.config == chosen.spec.config
        assert card(short)["metrics"] == pytest.approx(in_full.result.metrics)
        assert card(short)["metrics"] != pytest.approx(chosen.result.metrics)

    def test_is_said_in_the_report(self, run):
        finished = run(confirm="off")
        said = "The search is in short form (epochs 1, share 50%): its scores are not those of training in full."
        assert said in statements(finished)
        assert said in finished.folder.report.read_text(encoding="utf-8")

    def test_of_folds_knows_from_training_in_full_for_how_many_epochs_to_train(self, run):
        finished = run(split={"kind": "kfold", "folds": 3}, short={"epochs": 1, "folds": 1}, confirm="off")
        assert {trial.result.details["folds"][0]["fold"] for trial in finished.record.trials} == {2}
        assert (finished.folder.best / "model.safetensors").is_file()
        assert card(finished)["metrics"] != pytest.approx(finished.record.best.result.metrics)

    def test_goes_on_where_it_was_killed(self, run, tmp_path):
        whole = run()
        lines, _ = read_events(whole.folder.events)
        ended = [index for index, line in enumerate(lines) if line.get("phase", "").startswith("full/")]
        whole.folder.path.rename(tmp_path / "whole")
        (tmp_path / "run").mkdir()
        with LineLog(tmp_path / "run" / "events.jsonl") as log:
            for line in lines[: ended[len(ended) // 2]]:
                log.append({name: value for name, value in line.items() if name != "crc"})
        again = run()
        chosen = [each.record.confirmation["candidates"] for each in (whole, again)]
        assert [each["values"] for each in chosen[0]] == [each["values"] for each in chosen[1]]
        assert (again.folder.best / "model.safetensors").is_file()

    def test_of_months_trains_on_the_newest_and_confirms_on_all(self, run):
        rolling = {"kind": "rolling", "train_months": 6, "valid_months": 3, "ranges": 2}
        finished = run(split=rolling, short={"window": 2})
        assert {trial.spec.fidelity for trial in finished.record.trials} == {Fidelity(window=2)}
        assert {each.spec.fidelity for each in finished.record.repeats} == {Fidelity()}
        sizes = [
            {each.result.details["num_parameters"] for each in part}
            for part in (finished.record.trials, finished.record.repeats)
        ]
        assert max(sizes[0]) < min(sizes[1]), "fewer rows, fewer words"
        assert "newest months 2" in statements(finished)


def test_no_search_begins_on_rows_that_cannot_be_cut_short(tiny_study, tmp_path):
    lines = "text,label\n" + "".join(f"a {word} day {day},{word}\n" for day in range(40) for word in ("good", "bad"))
    (tmp_path / "undated.csv").write_text(lines, encoding="utf-8")
    study = {**tiny_study, "data": {"kind": "files", "path": str(tmp_path / "undated.csv")}, "short": {"window": 2}}
    with pytest.raises(DataError, match=r"short.window goes by the dates"):
        commands.run(study, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_rows_are_cut_short_in_one_way(tiny_study, tmp_path):
    with pytest.raises(StudyError, match="gives 'share' and 'window'"):
        commands.run({**tiny_study, "short": {"share": 0.5, "window": 2}}, out=tmp_path / "run", quiet=True)
