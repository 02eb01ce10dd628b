# B batch, T tokens, D width, R heads

from types import SimpleNamespace

import pytest
import torch

from textune.models import AttentionConfig, LastConfig, MaxConfig, MeanConfig

HIDDEN_BTD = torch.tensor([[[1.0, -8.0], [3.0, -4.0], [99.0, 99.0]], [[5.0, -6.0], [0.0, 0.0], [-2.0, -9.0]]])
MASK_BT = torch.tensor([[True, True, False], [True, True, True]])


def encoder(size=2, backward_size=0):
    return SimpleNamespace(output_size=size, backward_size=backward_size)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (MeanConfig(), [[2, -6], [1, -5]]),
        (MaxConfig(), [[3, -4], [5, 0]]),
        (LastConfig(), [[3, -4], [-2, -9]]),
    ],
)
def test_pools_the_tokens_alone(config, expected):
    pooled_BD = config.build(encoder())(HIDDEN_BTD, MASK_BT)
    torch.testing.assert_close(pooled_BD, torch.tensor(expected, dtype=torch.float32))


def test_last_takes_the_first_token_of_what_was_read_backwards():
    pooled_BD = LastConfig().build(encoder(backward_size=1))(HIDDEN_BTD, MASK_BT)
    assert pooled_BD.tolist() == [[3, -8], [-2, -6]]


def test_attention_without_preference_is_the_mean_of_each_head():
    pooling = AttentionConfig(num_heads=2).build(encoder())
    torch.nn.init.zeros_(pooling.scores.weight)
    expected = MeanConfig().build(encoder())(HIDDEN_BTD, MASK_BT)
    torch.testing.assert_close(pooling(HIDDEN_BTD, MASK_BT), torch.cat([expected, expected], 1))


def test_attention_penalty_is_that_of_the_paper():
    pooling = AttentionConfig(num_heads=2, regularization=0.5).build(encoder())
    torch.nn.init.zeros_(pooling.scores.weight)
    pooling(HIDDEN_BTD, MASK_BT)
    # Two equal heads over n tokens: A Aᵀ is 1/n everywhere, so ‖A Aᵀ − I‖² is 2 (1/n − 1)² + 2 / n².
    norms = [2 * (1 / n - 1) ** 2 + 2 / n**2 for n in (2, 3)]
    assert pooling.penalty.item() == pytest.approx(0.5 * sum(norms) / 2)
    pooling.eval()(HIDDEN_BTD, MASK_BT)
    assert pooling.penalty is None


def test_attention_has_no_penalty_unless_asked_for():
    pooling = AttentionConfig(num_heads=2).build(encoder())
    pooling(HIDDEN_BTD, MASK_BT)
    assert pooling.penalty is None
