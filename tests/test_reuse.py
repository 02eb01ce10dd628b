"""What one study measured answers another, under equal conditions only."""

import shutil

import numpy as np
import pytest
import transformers
from safetensors.torch import load_file, save_file

from textune import commands
from textune.config.load import load_study
from textune.data import Cache
from textune.reuse import SharedResults
from textune.trial import prepare_data


@pytest.fixture
def run(tiny_study, tmp_path, monkeypatch):
    """Returns a function that runs the tiny study in a folder of the given name, sharing results."""
    monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "cache"))

    def run(name, *overrides):
        changes = ["search.reuse_results=shared", f"name={name}", *overrides]
        return commands.run(tiny_study, out=tmp_path / name, overrides=changes, quiet=True)

    return run


def reused(finished):
    return [trial.spec.number for trial in finished.record.trials if "an earlier search" in trial.result.reason]


def test_a_later_study_takes_its_points_from_an_earlier_one(run):
    first, second = run("first"), run("second", "search.trials=4")
    assert reused(first) == []
    assert reused(second) == [0, 1, 2]
    for mine, other in zip(second.record.trials, first.record.trials, strict=False):
        assert (mine.result.value, mine.result.metrics) == (other.result.value, other.result.metrics)
        assert [each.value for each in mine.progress] == [each.value for each in other.progress]
        assert (
            second.folder.outcomes(mine.spec.number).read_bytes()
            == first.folder.outcomes(other.spec.number).read_bytes()
        )


def test_the_winner_is_trained_again_and_is_the_same_model(run):
    first, second = run("first"), run("second")
    assert reused(second) == [0, 1, 2]
    name = "model.safetensors"
    assert (second.folder.best / name).read_bytes() == (first.folder.best / name).read_bytes()
    assert second.record.test["metrics"] == first.record.test["metrics"]


@pytest.mark.parametrize(
    "change", ["seed=7", "data.rows=250", "training.batch_size=16", "execution.threads_per_trial=2"]
)
def test_other_conditions_are_other_results(run, change):
    run("first")
    assert reused(run("second", change)) == []


def test_equal_rows_at_other_places_of_the_file_are_other_results(run, tmp_path):
    """Outcomes say which rows of the file they are of."""
    rows = "".join(f"{number} a {word} day,{word}\n" for number in range(20) for word in ("good", "bad"))
    data = f"data={{kind: files, path: {tmp_path / 'x.csv'}}}"
    places = []
    for name, first in (("first", ""), ("again", ""), ("second", "unlabelled,\n")):
        (tmp_path / "x.csv").write_text(f"text,label\n{first}{rows}", encoding="utf-8")
        finished = run(name, data, "split=holdout", "search.trials=1")
        assert reused(finished) == ([0] if name == "again" else [])
        with np.load(finished.folder.outcomes(0), allow_pickle=False) as outcomes:
            places.append(outcomes["rows"])
    assert (places[1] == places[0]).all()
    assert (places[2] == places[0] + 1).all()


def test_it_is_off_by_default(run):
    run("first")
    assert reused(run("second", "search.reuse_results=study")) == []


def test_a_reused_curve_goes_through_the_pruner(run):
    tpe = ["search.trials=8", "search.sampler.kind=random"]
    whole = run("first", *tpe)
    pruned = run("second", *tpe, "search.pruner={kind: median, startup_trials: 1}")
    ends = {trial.result.end.value for trial in pruned.record.trials}
    assert reused(pruned)
    assert "pruned" in ends
    assert {trial.result.end.value for trial in whole.record.trials} == {"finished"}


def test_another_pretrained_model_of_the_same_name_is_another_result(run, checkpoints, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(checkpoints["bert"], model)
    changes = [
        f"model.encoder={{kind: transformer, model: {model}}}",
        "tokenizer={kind: pretrained}",
        "training.epochs=1",
    ]
    changes += ["search.trials=1", "data.rows=60"]
    run("first", *changes)
    second = run("second", *changes)
    assert reused(second) == [0]
    assert second.record.header["versions"]["transformers"] == transformers.__version__
    weights = load_file(model / "model.safetensors")
    save_file({name: weight * 1.5 for name, weight in weights.items()}, model / "model.safetensors", {"format": "pt"})
    assert reused(run("third", *changes)) == []


def test_what_was_trained_in_parts_of_batches_is_not_kept(run, tiny_study, tmp_path):
    first, loaded = run("first").record.trials[0], load_study(tiny_study)
    prepared = prepare_data(loaded.config, loaded.folders, Cache())
    shared = SharedResults(loaded, prepared, Cache(tmp_path / "other"))
    for short, found in ((True, None), (False, first.result.value)):
        details = {**first.result.details, "memory_was_short": short}
        shared.keep(first.model_copy(update={"result": first.result.model_copy(update={"details": details})}))
        known = shared.find(first.spec)
        assert (known and known.result.value) == found
