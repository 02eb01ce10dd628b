import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from textune.config.study import METRICS
from textune.training.metrics import confusion_matrix, evaluate, greater_is_better, log_loss, per_class, row_scores


@st.composite
def scored_rows(draw):
    """Labels and probabilities of some rows; classes may be missing among either."""
    num_rows, num_classes = draw(st.integers(1, 30)), draw(st.integers(2, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    last_label = draw(st.integers(1, num_classes))
    favoured = draw(st.integers(0, num_classes - 1))
    labels_N = generator.integers(0, last_label, num_rows)
    logits_NK = generator.normal(size=(num_rows, num_classes)) * draw(st.sampled_from([0.1, 1.0, 30.0]))
    logits_NK[:, favoured] += draw(st.sampled_from([0.0, 100.0]))
    exponentials_NK = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
    return labels_N, (exponentials_NK / exponentials_NK.sum(axis=1, keepdims=True)).astype(np.float32)


@given(scored_rows())
def test_every_metric_is_scikit_learns(rows):
    labels_N, probabilities_NK = rows
    predicted_N, classes = probabilities_NK.argmax(axis=1), range(probabilities_NK.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on predicted classes that are not among the labels
        loss = sk.log_loss(labels_N, probabilities_NK, labels=list(classes))
        expected = {
            "loss": loss,
            "log_loss": loss,
            "accuracy": sk.accuracy_score(labels_N, predicted_N),
            "balanced_accuracy": sk.balanced_accuracy_score(labels_N, predicted_N),
            "precision_macro": sk.precision_score(labels_N, predicted_N, average="macro", zero_division=0),
            "recall_macro": sk.recall_score(labels_N, predicted_N, average="macro", zero_division=0),
            **{
                f"f1_{average}": sk.f1_score(labels_N, predicted_N, average=average, zero_division=0)
                for average in ("macro", "micro", "weighted")
            },
        }
    assert evaluate(labels_N, probabilities_NK, METRICS) == pytest.approx(expected, rel=1e-5, abs=1e-7)


@given(scored_rows())
def test_scores_per_class_are_scikit_learns(rows):
    labels_N, probabilities_NK = rows
    predicted_N, classes = probabilities_NK.argmax(axis=1), list(range(probabilities_NK.shape[1]))
    confusion_KK = confusion_matrix(labels_N, predicted_N, len(classes))
    np.testing.assert_array_equal(confusion_KK, sk.confusion_matrix(labels_N, predicted_N, labels=classes))
    precision_K, recall_K, f1_K, support_K = sk.precision_recall_fscore_support(
        labels_N, predicted_N, labels=classes, zero_division=0
    )
    scores = per_class(confusion_KK)
    np.testing.assert_allclose(scores.precision_K, precision_K)
    np.testing.assert_allclose(scores.recall_K, recall_K)
    np.testing.assert_allclose(scores.f1_K, f1_K)
    np.testing.assert_array_equal(scores.support_K, support_K)


def test_only_the_named_metrics_come_back():
    assert list(evaluate(np.array([0, 1]), np.eye(2, dtype=np.float32), ["f1_macro"])) == ["f1_macro"]


def test_a_certain_error_costs_much_but_not_infinitely_much():
    assert 15 < log_loss(np.array([1]), np.array([[1.0, 0.0]], dtype=np.float32)) < 17


def test_nan_stays_nan():
    assert np.isnan(log_loss(np.array([0]), np.array([[np.nan, np.nan]], dtype=np.float32)))


def test_losses_alone_are_minimized():
    assert {name for name in METRICS if not greater_is_better(f"valid.{name}")} == {"loss", "log_loss"}


@given(scored_rows(), st.sampled_from(["accuracy", "loss", "log_loss", "f1_micro"]))
def test_the_mean_of_row_scores_is_the_metric_where_it_is_a_mean_over_rows(rows, metric):
    labels_N, probabilities_NK = rows
    if metric == "f1_micro" and len(labels_N) < 2:
        return
    scores_N = row_scores(metric, labels_N, probabilities_NK)
    assert len(scores_N) == len(labels_N)
    assert scores_N.mean() == pytest.approx(evaluate(labels_N, probabilities_NK, [metric])[metric], abs=1e-6)
