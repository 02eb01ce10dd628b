"""Models during the search, the hand-over and the test split after it."""

import json

import numpy as np
import pytest

from textune import commands
from textune.hand_over import ModelKeeper
from textune.records import EndReason, Objective, TrialResult
from textune.run_folder import RunFolder


class TestTheModelKeeper:
    @pytest.fixture
    def folder(self, tmp_path):
        return RunFolder.create(tmp_path / "run")

    def kept(self, folder, keep, values, direction="maximize"):
        keeper = ModelKeeper(folder, Objective(direction=direction), keep)
        for number, value in enumerate(values):
            folder.model(number).mkdir(parents=True)
            end = EndReason.PRUNED if value is None else EndReason.FINISHED
            keeper.record(TrialResult(trial=number, end=end, reason="", value=value))
        return [number for number in range(len(values)) if folder.model(number).exists()]

    @pytest.mark.parametrize(
        ("keep", "values", "direction", "kept"),
        [
            ("best", (0.5, 0.7, 0.6, None), "maximize", [1]),
            ("best", (0.5, 0.7, 0.4), "minimize", [2]),
            ("best", (0.5, 0.5), "maximize", [0]),
            ("best", (None, float("nan"), 0.1), "maximize", [2]),
            ("none", (0.5, 0.7, 0.6), "maximize", [1]),  # the hand-over removes it
            ("all", (0.5, None, 0.6), "maximize", [0, 1, 2]),
        ],
    )
    def test_keeps_what_the_study_says(self, folder, keep, values, direction, kept):
        assert self.kept(folder, keep, values, direction) == kept


class TestTheHandOver:
    @pytest.mark.parametrize(("keep", "kept"), [("best", []), ("none", []), ("all", [0, 1, 2])])
    def test_leaves_the_models_the_study_says(self, tiny_study, tmp_path, keep, kept):
        study = {**tiny_study, "execution": {"kind": "serial", "keep_models": keep}}
        study["training"] = {**study["training"], "epochs": 1}
        finished = commands.run(study, out=tmp_path / "run", quiet=True)
        assert [number for number in range(3) if finished.folder.model(number).exists()] == kept
        assert finished.record.test is not None
        if keep == "none":
            assert not finished.folder.best.exists()
            return
        config = json.loads((finished.folder.best / "textune.json").read_text(encoding="utf-8"))
        assert config["study"]["trial"] == finished.record.best.spec.number


class TestTheTestRows:
    @pytest.fixture
    def study(self, tiny_study):
        """No other test reads these test rows."""
        data = {"kind": "synthetic", "rows": 251}
        return {**tiny_study, "data": data, "training": {**tiny_study["training"], "epochs": 1}}

    def test_are_read_once_in_a_study_and_counted_over_all_studies(self, study, tmp_path):
        first = commands.run(study, out=tmp_path / "first", quiet=True)
        events = first.folder.events.read_text(encoding="utf-8").splitlines()
        assert sum('"event":"test-read"' in event for event in events) == 1
        assert first.record.test["readings"] == 1
        second = commands.run({**study, "name": "second", "seed": 42}, out=tmp_path / "second", quiet=True)
        assert second.record.test["readings"] == 2
        other_rows = commands.run({**study, "seed": 43}, out=tmp_path / "third", quiet=True)
        assert other_rows.record.test["readings"] == 1

    def test_is_counted_anew_where_the_count_is_damaged(self, tiny_study, tmp_path, monkeypatch):
        monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "cache"))
        for number in range(2):
            finished = commands.run(tiny_study, out=tmp_path / str(number), quiet=True)
            assert finished.record.test["readings"] == 1
            (count,) = (tmp_path / "cache" / "test-readings").glob("*.json")
            count.write_bytes(count.read_bytes()[:-3])

    def test_are_scored_by_the_chosen_model_alone(self, finished):
        test = finished.record.test
        with np.load(finished.folder.path / "test-outcomes.npz", allow_pickle=False) as outcomes:
            labels_N, predicted_N = outcomes["labels"], outcomes["probabilities"].argmax(1)
        assert test["num_rows"] == len(labels_N) > 0
        assert test["metrics"]["test.accuracy"] == pytest.approx((predicted_N == labels_N).mean())
        assert np.trace(test["confusion"]) == (predicted_N == labels_N).sum()
        assert test["interval"]["metric"] == "test.accuracy"
        assert test["interval"]["low"] < test["metrics"]["test.accuracy"] < test["interval"]["high"]
        assert set(test["baselines"]) == {"majority", "tfidf"}

    def test_are_left_alone_where_there_are_none(self, tiny_study, tmp_path):
        study = {**tiny_study, "split": {"kind": "holdout", "test_share": 0.0}}
        path = tmp_path / "data.csv"
        path.write_text("text,label\n" + "good day,a\nbad day,b\n" * 40, encoding="utf-8")
        study["data"] = {"kind": "files", "path": str(path)}
        finished = commands.run(study, out=tmp_path / "run", overrides=["search.trials=1"], quiet=True)
        assert finished.record.test is None
        assert finished.exit_code == 0


def test_folds_end_in_one_model(tiny_study, tmp_path):
    study = {**tiny_study, "split": {"kind": "kfold", "folds": 2}}
    finished = commands.run(study, out=tmp_path / "run", overrides=["search.trials=2"], quiet=True)
    assert (finished.folder.best / "model.safetensors").exists()
    assert finished.record.test["num_rows"] > 0
