"""One trial, from its spec to its result, without a search."""

import numpy as np
import pytest

from textune.config.load import load_study
from textune.data import Cache
from textune.errors import DivergedError, StudyError
from textune.pipeline import Pipeline
from textune.records import EndReason, Progress, TrialRecord, TrialSpec
from textune.seeds import derive
from textune.study import StopSignals
from textune.trial import TrialRunner, prepare_data, run, train_on_all


@pytest.fixture
def run_trial(tiny_study, tmp_path):
    """Runs the tiny study's base point with some settings changed; returns (measurements, result, prepared data)."""

    def go(overrides=(), *, number=0, folder=None, folds=None):
        loaded = load_study(tiny_study, overrides)
        spec = TrialSpec(
            number=number,
            config=loaded.resolver.resolve({}).config,
            objective=loaded.config.objective,
            seed=derive(42, "trial"),
            folds=folds,
            folder=None if folder is None else str(folder),
        )
        cache = Cache()
        trial, measurements = run(spec, loaded.folders, cache), []
        while True:
            try:
                moment = next(trial)
            except StopIteration as end:
                return measurements, end.value, prepare_data(loaded.config, loaded.folders, cache)
            if moment is not None:
                measurements.append(moment)

    return go


def test_measures_each_epoch_and_ends_with_the_metrics_of_the_best(run_trial):
    measurements, result, _ = run_trial(["training.epochs=5"])
    assert all(isinstance(each, Progress) for each in measurements)
    assert [(each.fold, each.epoch, each.epochs) for each in measurements] == [(0, n, 5) for n in range(1, 6)]
    best = max(measurements, key=lambda each: each.value)  # the first of equals
    assert (result.best_epoch, result.value, result.metrics) == (best.epoch, best.value, best.metrics)
    assert result.value == result.metrics["valid.accuracy"]
    assert result.end is EndReason.FINISHED
    assert result.epochs == 5
    assert result.details["num_parameters"] > 0


def test_minimizes_where_the_study_does(run_trial):
    measurements, result, _ = run_trial(["search.minimize=valid.loss", "training.epochs=4"])
    assert result.value == min(each.metrics["valid.loss"] for each in measurements)


def test_stops_early_where_nothing_improves(run_trial):
    measurements, result, _ = run_trial(
        ["training.epochs=9", "training.early_stopping.patience=2", "training.optimizer.learning_rate=1e-12"]
    )
    assert result.end is EndReason.EARLY_STOPPED
    assert len(measurements) == result.best_epoch + 2 < 9


def test_leaves_what_statistics_and_prediction_need(run_trial, tmp_path):
    _, result, prepared = run_trial(folder=tmp_path / "attempt")
    with np.load(tmp_path / "attempt" / "outcomes.npz", allow_pickle=False) as outcomes:
        assert set(outcomes) == {"rows", "positions", "labels", "probabilities", "folds", "dates"}
        assert (outcomes["dates"] == prepared.rows.dates_N[outcomes["rows"]]).all()
        assert outcomes["rows"].tolist() == prepared.splits.folds[0].valid.tolist()
        assert outcomes["labels"].tolist() == prepared.labels_N[prepared.splits.folds[0].valid].tolist()
        assert outcomes["probabilities"].sum(1) == pytest.approx(1)
        accuracy = (outcomes["probabilities"].argmax(1) == outcomes["labels"]).mean()
    assert accuracy == pytest.approx(result.value)
    assert Pipeline.load(tmp_path / "attempt" / "model").config.classes == prepared.classes


@pytest.mark.parametrize(
    "split", ["holdout", "{kind: kfold, folds: 2}", "{kind: rolling, train_months: 2, ranges: 2, test_months: 1}"]
)
def test_says_which_rows_of_the_file_it_scored(run_trial, tmp_path, split):
    source = [
        (f"{number} {word}" if number % 5 else "", word, f"2024-{month:02}-11")
        for number, (word, month) in enumerate((word, month) for month in range(1, 9) for word in ("good", "bad") * 6)
    ]
    lines = [",".join(row) + "\n" for row in [("text", "label", "day"), *source]]
    (tmp_path / "x.csv").write_text("".join(lines), encoding="utf-8")
    data = f"data={{kind: files, path: {tmp_path / 'x.csv'}, date: day, max_rows: 60}}"
    _, _, prepared = run_trial([data, f"split={split}", "training.epochs=1"], folder=tmp_path)
    with np.load(tmp_path / "outcomes.npz", allow_pickle=False) as outcomes:
        rows, positions = outcomes["rows"].tolist(), outcomes["positions"].tolist()
        assert [prepared.rows.texts[position] for position in positions] == [source[row][0] for row in rows]
        assert [prepared.classes[label] for label in outcomes["labels"]] == [source[row][1] for row in rows]
        assert [str(date) for date in outcomes["dates"]] == [source[row][2] for row in rows]
    assert rows != positions


def test_leaves_nothing_where_it_has_no_folder(run_trial, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_trial()
    assert list(tmp_path.iterdir()) == []


class TestTheSameSeed:
    @pytest.mark.parametrize("encoder", ["bag-of-words", "cnn", "rnn"])
    def test_gives_the_same_bits_whatever_the_trial_is_called(self, run_trial, encoder):
        settings = [f"model.encoder={{kind: {encoder}}}", "training.epochs=2", "model.head.dropout=0.3"]
        one, first, _ = run_trial(settings)
        other, again, _ = run_trial(settings, number=7)
        assert first.metrics == again.metrics
        assert [each.metrics for each in one] == [each.metrics for each in other]

    def test_is_what_the_numbers_come_from(self, run_trial):
        one, *_ = run_trial(["training.epochs=1"])
        other, *_ = run_trial(["training.epochs=1", "training.optimizer.learning_rate=0.02"])
        assert one[0].metrics["train.loss"] != other[0].metrics["train.loss"]


class TestFolds:
    FOLDS = ("split={kind: kfold, folds: 3}", "training.epochs=2")

    def test_are_trained_in_turn_and_averaged(self, run_trial, tmp_path):
        measurements, result, prepared = run_trial(self.FOLDS, folder=tmp_path)
        assert [(each.fold, each.epoch) for each in measurements] == [(f, e) for f in range(3) for e in (1, 2)]
        best = [max(each.value for each in measurements if each.fold == fold) for fold in range(3)]
        assert result.value == pytest.approx(np.mean(best))
        assert result.epochs == 6
        folds = result.details["folds"]
        assert [each["metrics"]["valid.accuracy"] for each in folds] == best
        assert [each["name"] for each in folds] == ["fold 1", "fold 2", "fold 3"]
        assert [each["rows"] for each in folds] == [len(fold.valid) for fold in prepared.splits.folds]
        with np.load(tmp_path / "outcomes.npz", allow_pickle=False) as outcomes:
            parts = [outcomes["rows"][outcomes["folds"] == fold].tolist() for fold in range(3)]
        assert parts == [fold.valid.tolist() for fold in prepared.splits.folds]
        assert not (tmp_path / "model").exists()

    def test_can_be_chosen(self, run_trial, tmp_path):
        measurements, _, _ = run_trial(self.FOLDS, folds=(2,), folder=tmp_path)
        assert [each.fold for each in measurements] == [2, 2]
        assert (tmp_path / "model" / "textune.json").exists()

    def test_end_in_one_model_of_all_rows_but_the_test_rows(self, tiny_study, run_trial):
        loaded = load_study(tiny_study, self.FOLDS)
        _, result, prepared = run_trial(self.FOLDS)
        spec = TrialSpec(number=0, config=loaded.resolver.resolve({}).config, seed=derive(42, "trial"))
        pipeline = StopSignals().run(train_on_all(TrialRecord(spec=spec, result=result), loaded.folders, Cache()))
        rows = np.setdiff1d(np.arange(len(prepared.rows)), prepared.splits.test)
        vocabulary, _ = prepared.encode(rows)
        assert pipeline.tokenizer.get_vocab_size() == len(vocabulary)
        assert pipeline.predict(["a fine day"]).shape == (1, 2)


class TestRangesOfDates:
    ROLLING = ("split={kind: rolling, train_months: 6, valid_months: 3, ranges: 3}", "training.epochs=2")

    def test_are_told_each_by_its_months(self, run_trial):
        _, result, prepared = run_trial(self.ROLLING)
        folds = result.details["folds"]
        assert [each["name"] for each in folds] == list(prepared.splits.names)
        assert result.value == pytest.approx(np.mean([each["metrics"]["valid.accuracy"] for each in folds]))
        assert result.best_epoch == round(np.median([each["best_epoch"] for each in folds]))

    def test_end_in_a_model_of_the_newest_train_window(self, tiny_study, run_trial):
        loaded = load_study(tiny_study, self.ROLLING)
        _, result, prepared = run_trial(self.ROLLING)
        spec = TrialSpec(number=0, config=loaded.resolver.resolve({}).config, seed=derive(42, "trial"))
        pipeline = StopSignals().run(train_on_all(TrialRecord(spec=spec, result=result), loaded.folders, Cache()))
        vocabulary, _ = prepared.encode(prepared.splits.newest_train)
        assert pipeline.tokenizer.get_vocab_size() == len(vocabulary)
        assert prepared.rows.dates_N[prepared.splits.newest_train].max() == max(
            prepared.rows.dates_N[fold.valid].max() for fold in prepared.splits.folds
        )


class TestAModelThatReadsSoManyTokens:
    @pytest.fixture
    def settings(self, checkpoints):
        def settings(max_length):
            encoder = f"model.encoder={{kind: transformer, model: {checkpoints['bert']}}}"
            return [encoder, f"tokenizer={{kind: pretrained, max_length: {max_length}}}", "training.epochs=1"]

        return settings

    def test_reads_no_more_where_all_of_a_text_is_asked_for(self, run_trial, settings, tmp_path):
        run_trial(settings("null"), folder=tmp_path)
        pipeline = Pipeline.load(tmp_path / "model")
        assert pipeline.config.max_length == 64
        assert np.isfinite(pipeline.predict(["good bad " * 100])).all()

    def test_is_told_where_more_is_asked_for(self, run_trial, settings):
        with pytest.raises(StudyError, match=r"tokenizer\.max_length: is 65, and the model reads 64 tokens at most"):
            run_trial(settings(65))


def test_a_loss_that_is_not_finite_ends_the_trial(run_trial):
    with pytest.raises(DivergedError, match="epoch 1"):
        run_trial(["training.optimizer.learning_rate=1e30"])


def test_the_objective_can_be_sent_to_another_process(tiny_study):
    import pickle

    loaded = load_study(tiny_study)
    runner = pickle.loads(pickle.dumps(TrialRunner(loaded.folders, Cache().root)))
    spec = TrialSpec(number=0, config=loaded.resolver.resolve({}).config)
    assert next(moment for moment in runner(spec) if moment is not None).epoch == 1
