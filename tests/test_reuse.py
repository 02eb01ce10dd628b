"""What one study measured answers another, under equal conditions only."""

import pytest

from textune import commands


@pytest.fixture
def run(tiny_study, tmp_path, monkeypatch):
    """Returns a function that runs the tiny study in a folder of the given name, sharing results."""
    monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "cache"))

    def run(name, *overrides):
        changes = ["search.reuse_results=shared", f"name={name}", *overrides]
        return commands.run(tiny_study, out=tmp_path / name, overrides=changes, quiet=True)

    return run


def reused(finished):
    return [trial.spec.number for trial in finished.record.trials if "an earlier study" in trial.result.reason]


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
