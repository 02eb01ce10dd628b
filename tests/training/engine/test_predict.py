import numpy as np
import pytest
import torch

from textune.training.engine.predict import predict


def test_rows_come_back_in_ascending_order_whatever_the_batches(task):
    model = task.model()
    rows_N = np.arange(160, 240)
    shuffled = np.random.default_rng(0).permutation(rows_N)
    plain, other = predict(model, task.batches(rows_N)), predict(model, task.batches(shuffled, size=7))
    np.testing.assert_array_equal(other.rows_N, rows_N)
    np.testing.assert_array_equal(other.labels_N, task.labels_N[rows_N])
    np.testing.assert_allclose(other.probabilities_NK, plain.probabilities_NK, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_probabilities_are_float32_and_sum_to_one(task, precision):
    probabilities_NK = predict(task.model(), task.valid, precision).probabilities_NK
    assert probabilities_NK.dtype == np.float32
    np.testing.assert_allclose(probabilities_NK.sum(axis=1), 1, atol=1e-5)


def test_a_processor_predicts_in_fp32_what_was_trained_in_fp16(task):
    model = task.model()
    fp32, bf16, fp16 = (predict(model, task.valid, name).probabilities_NK for name in ("fp32", "bf16", "fp16"))
    np.testing.assert_array_equal(fp16, fp32)
    assert (bf16 != fp32).any()


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_and_the_mode_stays(task, training):
    model = task.model(dropout=0.9).train(training)
    first, second = predict(model, task.valid), predict(model, task.valid)
    np.testing.assert_array_equal(first.probabilities_NK, second.probabilities_NK)
    assert model.training is training


def test_no_gradients_are_kept(task):
    model = task.model()
    predict(model, task.valid)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()


def test_batches_that_do_not_fit_into_memory_are_halved(task):
    class Narrow(type(task.model())):
        def forward(self, ids_BT, mask_BT):
            sizes.append(len(ids_BT))
            if len(ids_BT) > room:
                raise MemoryError
            return super().forward(ids_BT, mask_BT)

    sizes, room = [], 5
    torch.manual_seed(0)
    model = Narrow()
    halved = predict(model, task.batches(np.arange(16)))
    assert sizes == [16, 8, 4, 4, 8, 4, 4]
    room = 16
    whole = predict(model, task.batches(np.arange(16)))
    np.testing.assert_allclose(halved.probabilities_NK, whole.probabilities_NK, atol=1e-6)
    room = 0
    with pytest.raises(MemoryError):
        predict(model, task.batches(np.arange(16)))
