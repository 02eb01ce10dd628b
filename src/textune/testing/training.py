"""What every optimizer and schedule keeps to. Inherit and give it a config, as with `SamplerContract`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from textune.testing.studies import run_study

__all__ = ["OptimizerContract", "ScheduleContract"]

STEPS = 60


class OptimizerContract:
    """Trains a table of rows and a linear layer to tell three tokens from three others."""

    @pytest.fixture
    def config(self) -> Any:
        """Returns the optimizer's config; override."""
        raise NotImplementedError

    @pytest.fixture
    def model(self, config: Any) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            return nn.Sequential(nn.Embedding(12, 4, sparse=config.row_gradients), nn.Linear(4, 2))

    def test_every_trainable_weight_is_in_once_and_no_frozen_one(self, config: Any, model: Any) -> None:
        model[1].bias.requires_grad_(False)
        held = [weight for group in config.build(model).param_groups for weight in group["params"]]
        assert sorted(map(id, held)) == sorted(map(id, (model[0].weight, model[1].weight)))

    def test_the_learning_rate_is_the_one_given_and_can_be_changed(self, config: Any, model: Any) -> None:
        optimizer = config.build(model)
        assert {group["lr"] for group in optimizer.param_groups} == {config.learning_rate}
        before = [weight.clone() for weight in model.parameters()]
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        _step(model, optimizer)
        assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))

    def test_the_loss_falls(self, config: Any, model: Any) -> None:
        optimizer = config.model_copy(update={"learning_rate": 0.05}).build(model)
        losses = [_step(model, optimizer) for _ in range(STEPS)]
        assert losses[-1] < 0.9 * losses[0]

    def test_a_full_table_of_gradients_is_taken_as_well(self, config: Any, model: Any) -> None:
        model[0].sparse = False
        optimizer = config.model_copy(update={"learning_rate": 0.05}).build(model)
        losses = [_step(model, optimizer) for _ in range(STEPS)]
        assert losses[-1] < 0.9 * losses[0]

    def test_the_same_steps_give_the_same_weights(self, config: Any, model: Any) -> None:
        start = {name: weight.clone() for name, weight in model.state_dict().items()}
        ends = []
        for _ in range(2):
            model.load_state_dict(start)
            optimizer = config.build(model)
            for _ in range(5):
                _step(model, optimizer)
            ends.append([weight.detach().clone() for weight in model.parameters()])
        assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))

    def test_a_whole_study_runs_with_it(self, config: Any, tmp_path: Path) -> None:
        run_study(tmp_path, {"training.optimizer": config})


class ScheduleContract:
    """Goes through the steps of trainings of several lengths."""

    @pytest.fixture
    def config(self) -> Any:
        """Returns the schedule's config; override."""
        raise NotImplementedError

    @pytest.mark.parametrize("total_steps", [1, 2, 7, 100])
    def test_the_learning_rate_never_exceeds_its_top(self, config: Any, total_steps: int) -> None:
        assert all(0 <= config.factor(step, total_steps) <= 1 for step in range(total_steps))

    def test_it_says_something_beyond_the_last_step(self, config: Any) -> None:
        assert 0 <= config.factor(250, 100) <= 1

    def test_warm_up_rises_to_where_decay_begins(self, config: Any) -> None:
        warm = config.model_copy(update={"warmup_fraction": 0.5})
        rising = [warm.factor(step, 100) for step in range(50)]
        assert rising == sorted(set(rising))
        assert 0 < rising[0] < 0.1
        assert rising[-1] < 1
        assert warm.factor(50, 100) == warm.decay(0.0)

    @pytest.mark.parametrize("history", [[], [0.5], [0.1, 0.2, 0.3], [0.5] * 30, [0.9, float("nan"), 0.1]])
    def test_reductions_are_shares(self, config: Any, history: list[float]) -> None:
        assert 0 < config.reduction(history) <= 1

    def test_a_whole_study_runs_with_it(self, config: Any, tmp_path: Path) -> None:
        run_study(tmp_path, {"training.schedule": config})


def _step(model: Any, optimizer: torch.optim.Optimizer) -> float:
    ids = torch.tensor([1, 2, 3, 7, 8, 9])
    loss = nn.functional.cross_entropy(model(ids), torch.tensor([0, 0, 0, 1, 1, 1]))
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()
