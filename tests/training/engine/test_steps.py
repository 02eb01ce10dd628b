"""Steps that are not finite, and steps that do not fit into memory."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from textune.config.study import ModelConfig, TrainingConfig
from textune.errors import DivergedError
from textune.models.nets.assemble import build_classifier
from textune.training.engine import loop
from textune.training.engine.steps import Steps

CLASS_COUNTS_K = np.array([80, 50, 30])


def steps_of(model, settings=None, micro_batch=None):
    config = TrainingConfig.model_validate(
        {"optimizer": {"kind": "sgd", "learning_rate": 1.0}, "precision": "fp32", **(settings or {})}
    )
    model.train()
    return Steps(model, config, CLASS_COUNTS_K, 10, micro_batch)


def weights_of(model):
    return [weight.detach().clone() for weight in model.parameters()]


class TestNotFinite:
    @pytest.fixture(params=["loss", "gradient"])
    def poisoned(self, request, task):
        """A model whose loss, or whose gradient alone, is not finite on the batches that hold token 39."""

        class Model(type(task.model())):
            def forward(self, ids_BT, mask_BT):
                logits_BK = super().forward(ids_BT, mask_BT)
                if not self.training or not (ids_BT == 39).any():
                    return logits_BK
                if request.param == "loss":
                    return logits_BK * float("nan")
                return logits_BK + (self.linear.weight.sum() * 0).sqrt()  # the slope of a root at 0

        torch.manual_seed(0)
        return Model(dropout=0.0)

    @pytest.mark.parametrize("kind", ["adam", "sgd", "rmsprop"])
    @pytest.mark.parametrize("max_grad_norm", [None, 0.1])
    def test_steps_change_nothing_but_the_counts(self, task, poisoned, kind, max_grad_norm):
        good, bad = task.batches(np.arange(16)), task.batches(np.arange(16))
        bad[0].ids_BT[0, 0] = 39
        good[0].ids_BT[good[0].ids_BT == 39] = 38
        steps = steps_of(poisoned, {"optimizer": {"kind": kind}, "max_grad_norm": max_grad_norm})
        assert steps.step(good[0], [], "step 1") > 0
        weights, state = weights_of(poisoned), copy.deepcopy(steps.state()["optimizer"])
        assert steps.step(bad[0], [], "step 2") is None
        assert all(map(torch.equal, weights_of(poisoned), weights))
        torch.testing.assert_close(steps.state()["optimizer"], state, rtol=0, atol=0)
        assert (steps.num_steps, steps.guard.num_skipped) == (2, 1)
        assert steps.step(good[0], [], "step 3") > 0
        assert not all(map(torch.equal, weights_of(poisoned), weights))

    def test_losses_are_left_out_of_the_mean_and_the_result_counts_them(self, task, poisoned):
        def train(epoch):
            batches = task.train(epoch)
            for number, batch in enumerate(batches):
                batch.ids_BT[batch.ids_BT == 39] = 38
                if number % 4 == 3:
                    batch.ids_BT[0, 0] = 39
            return batches

        measurements, result = task.fit(poisoned, {"epochs": 2, "metrics": []}, train=train)
        assert result.num_skipped_steps == 4
        assert all(np.isfinite(measurement.metrics["train.loss"]) for measurement in measurements)

    def test_steps_in_a_row_end_the_training(self, task):
        def train(epoch):
            if epoch == 2:
                with torch.no_grad():
                    model.linear.bias.fill_(float("inf"))
            return task.train(epoch)

        model = task.model()
        sentence = "epoch 2, step 3: the loss is nan at a learning rate of 0.03; 2 steps before it were skipped"
        with pytest.raises(DivergedError, match=sentence):
            task.fit(model, {"epochs": 3, "max_skipped_steps": 2}, train=train)


def test_each_layer_learns_at_its_own_rate_under_one_schedule(task):
    def changes(optimizer):
        """Returns by how much a warming step moves each weight of embedding, convolution and head."""
        config = ModelConfig.model_validate({"embedding": {"size": 4}, "encoder": "cnn"})
        model = build_classifier(config, [str(token) for token in range(40)], None, 3, seed=0)
        steps = steps_of(model, {"optimizer": optimizer, "schedule": {"kind": "constant", "warmup_fraction": 0.3}})
        before = weights_of(model)
        steps.step(task.batches(np.arange(16))[0], [], "step")
        assert steps.learning_rate == optimizer["learning_rate"] / 4
        return [new - old for old, new in zip(before, weights_of(model), strict=True)]

    plain = changes({"kind": "sgd", "learning_rate": 0.5})
    by_layer = changes({"kind": "sgd", "learning_rate": 0.5, "layer_decay": 0.5, "head_learning_rate": 1.0})
    shares = [0.5, *[1.0] * (len(plain) - 3), 2.0, 2.0]
    for change, plain_change, share in zip(by_layer, plain, shares, strict=True):
        assert plain_change.abs().max() > 0
        torch.testing.assert_close(change, plain_change * share, rtol=1e-4, atol=1e-6)


SLOWLY = {"precision": "fp16", "optimizer": {"kind": "sgd", "learning_rate": 1e-6}}


class TestHalfPrecision:
    @pytest.fixture
    def steep(self, task):
        """A model whose gradients are 200 times as large as they should be, or not finite at all if `model.broken`."""

        class Model(type(task.model())):
            broken = False

            def forward(self, ids_BT, mask_BT):
                logits_BK = super().forward(ids_BT, mask_BT)
                if self.broken:
                    return logits_BK + (self.linear.weight.sum() * 0).sqrt()  # the slope of a root at 0
                return logits_BK + 199 * (logits_BK - logits_BK.detach())

        torch.manual_seed(0)
        return Model(dropout=0.0)

    @pytest.mark.parametrize("kind", ["adam", "sgd", "rmsprop"])
    @pytest.mark.parametrize("max_grad_norm", [None, 0.01])
    def test_takes_nearly_the_steps_of_single_precision(self, task, kind, max_grad_norm):
        def train(precision):
            model = task.model(dropout=0.0)
            settings = {"precision": precision, "optimizer": {"kind": kind, "learning_rate": 0.01}}
            steps = steps_of(model, {**settings, "max_grad_norm": max_grad_norm})
            losses = [steps.step(batch, [], "step") for batch in task.train(1)]
            return losses, weights_of(model)

        torch.testing.assert_close(train("fp16"), train("fp32"), rtol=0.02, atol=0.002)

    def test_lowers_its_loss_scale_until_gradients_fit(self, task, steep):
        steps = steps_of(steep, {**SLOWLY, "max_skipped_steps": 0})
        (batch,) = task.batches(np.arange(16))
        losses = [steps.step(batch, [], "step") for _ in range(12)]
        first = next(number for number, loss in enumerate(losses) if loss is not None)
        assert 1 < first == steps.guard.num_skipped
        assert None not in losses[first:]

    def test_knows_gradients_that_no_scale_makes_finite(self, task, steep):
        steps = steps_of(steep, {"precision": "fp16", "max_skipped_steps": 2})
        steep.broken = True
        (batch,) = task.batches(np.arange(16))
        weights = weights_of(steep)
        for _ in range(16 + 2):
            assert steps.step(batch, [], "step") is None
        assert all(map(torch.equal, weights_of(steep), weights))
        with pytest.raises(DivergedError, match=r"norm of the gradients is .*; 2 steps before it were skipped"):
            steps.step(batch, [], "step")

    def test_a_loss_that_is_not_finite_is_not_for_the_scale(self, task, steep):
        steps = steps_of(steep, {"precision": "fp16", "max_skipped_steps": 0})
        with torch.no_grad():
            steep.linear.bias.fill_(float("nan"))
        with pytest.raises(DivergedError, match="the loss is nan"):
            steps.step(task.batches(np.arange(16))[0], [], "step")

    def test_goes_on_with_the_scale_it_had(self, task, steep):
        settings = {**SLOWLY, "max_skipped_steps": 0}
        (batch,) = task.batches(np.arange(16))
        first = steps_of(steep, settings)
        while first.step(batch, [], "step") is None:
            pass
        second = steps_of(steep, settings)
        second.load_state(first.state())
        assert second.step(batch, [], "step") is not None


class Narrow(nn.Module):
    """Has room for a few rows at once."""

    def __init__(self, model, num_rows, error=MemoryError):
        super().__init__()
        self.model, self.num_rows, self.error = model, num_rows, error
        self.sizes = []

    def forward(self, ids_BT, mask_BT):
        self.sizes.append(len(ids_BT))
        logits_BK = self.model(ids_BT, mask_BT)
        if len(ids_BT) > self.num_rows:
            raise self.error("std::bad_alloc")
        return logits_BK


POOLINGS = ["mean", "max", "last", {"kind": "attention", "num_heads": 2, "regularization": 0.5}]
LOSSES = [
    {"class_weights": weights, "label_smoothing": part} for weights in ("none", "balanced") for part in (0.0, 0.3)
]


class TestMicroBatches:
    @pytest.fixture
    def batch(self, task):
        (batch,) = task.batches(np.arange(21), size=21)
        mask_BT = np.arange(6) < np.arange(21)[:, None] % 6 + 1
        return dataclasses.replace(batch, ids_BT=batch.ids_BT * mask_BT, mask_BT=mask_BT)

    def gradients(self, model, settings, batch, micro_batch):
        """Returns the loss, and how a step of plain gradient descent changes the weights."""
        model = copy.deepcopy(model)
        before = weights_of(model)
        loss = steps_of(model, settings, micro_batch).step(batch, [], "step")
        return loss, [old - new for old, new in zip(before, weights_of(model), strict=True)]

    @pytest.mark.parametrize("settings", LOSSES, ids=lambda loss: "-".join(map(str, loss.values())))
    @pytest.mark.parametrize(
        "pooling", POOLINGS, ids=lambda pooling: pooling if isinstance(pooling, str) else "attention"
    )
    @pytest.mark.parametrize("encoder", [{"kind": "rnn", "hidden_size": 6}, {"kind": "bag-of-words", "ngrams": 2}])
    def test_give_the_gradients_of_the_whole_batch(self, batch, pooling, settings, encoder):
        config = ModelConfig.model_validate({"embedding": {"size": 4}, "encoder": encoder, "pooling": pooling})
        model = build_classifier(config, [str(token) for token in range(40)], None, 3, seed=0)
        loss, gradients = self.gradients(model, settings, batch, None)
        for micro_batch in (1, 4, 20):
            loss_in_parts, gradients_in_parts = self.gradients(model, settings, batch, micro_batch)
            assert loss_in_parts == pytest.approx(loss, rel=1e-5)
            torch.testing.assert_close(gradients_in_parts, gradients, rtol=1e-4, atol=1e-6)

    def test_of_which_one_is_larger_than_the_batch_change_nothing(self, task, batch):
        loss, gradients = self.gradients(task.model(dropout=0.0), {}, batch, None)
        again, equal_gradients = self.gradients(task.model(dropout=0.0), {}, batch, 21)
        assert loss == again
        assert all(map(torch.equal, gradients, equal_gradients))

    @pytest.mark.parametrize("error", [MemoryError, RuntimeError, torch.OutOfMemoryError])
    def test_get_smaller_until_they_fit(self, task, batch, error):
        model = Narrow(task.model(dropout=0.0), 6, error)
        steps = steps_of(model)
        loss = steps.step(batch, [], "step")
        assert loss == pytest.approx(self.gradients(task.model(dropout=0.0), {}, batch, None)[0])
        assert steps.micro_batch == 6
        assert model.sizes == [21, 11, 6, 6, 6, 3]
        steps.step(batch, [], "step")
        assert model.sizes[6:] == [6, 6, 6, 3]

    def test_begin_the_step_anew_with_the_same_dropout(self, task, batch):
        def step(model, micro_batch):
            torch.manual_seed(3)
            steps_of(model, micro_batch=micro_batch).step(batch, [], "step")
            return weights_of(model)

        retried = step(Narrow(task.model(dropout=0.5), 6), None)
        assert all(map(torch.equal, retried, step(Narrow(task.model(dropout=0.5), 6), 6)))

    def test_that_do_not_fit_one_by_one_end_the_training_with_a_sentence(self, task, batch):
        with pytest.raises(MemoryError, match=r"does not fit into memory.*smaller model.*memory_bytes_per_worker"):
            steps_of(Narrow(task.model(), 0)).step(batch, [], "step")

    def test_are_left_alone_by_other_errors(self, task, batch):
        class Broken(Narrow):
            def forward(self, ids_BT, mask_BT):
                raise RuntimeError("size mismatch")

        with pytest.raises(RuntimeError, match="size mismatch"):
            steps_of(Broken(task.model(), 3)).step(batch, [], "step")

    def test_stand_in_the_result(self, task):
        for model, expected in ((task.model(), 16), (Narrow(task.model(), 5), 4)):
            _, result = task.fit(model, {"epochs": 1, "batch_size": 16})
            assert result.micro_batch_size == expected

    def test_hold_for_training_without_valid_rows(self, task):
        model = Narrow(task.model(), 5)
        training = loop.fit_blindly(
            model,
            task.train,
            TrainingConfig(epochs=1),
            num_epochs=1,
            class_counts_K=task.class_counts_K,
            steps_per_epoch=10,
            seed=0,
        )
        assert set(training) <= {None}
        assert max(itertools.islice(model.sizes, 3, None)) == 4


def test_an_update_that_does_not_fit_is_not_tried_again(task, monkeypatch):
    model = task.model()
    steps = steps_of(model, {"optimizer": {"kind": "adam"}})

    def exhausted(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "zeros_like", exhausted)
    with pytest.raises(MemoryError, match="optimizer"):
        steps.step(task.batches(np.arange(16))[0], [], "step")
