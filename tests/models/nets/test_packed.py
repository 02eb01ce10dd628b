# B texts, T tokens, L packed tokens, H heads, X width of a head

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from textune.models.nets import packed
from textune.models.nets.packed import Packing, add_and_normalize, attend, attend_from_first, dropout

H, X = 3, 4
LENGTHS = [5, 1, 3, 32, 5, 2]


def mask_of(lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def plainly(qkv_LD, packing):
    """Text by text, without padding."""
    texts = qkv_LD[: packing.num_tokens].split(packing.length_B.tolist())
    attended = []
    for text in texts:
        queries, keys, values = text.view(len(text), 3, H, X).permute(1, 2, 0, 3)
        attended.append(((queries @ keys.mT).softmax(-1) @ values).transpose(0, 1).reshape(len(text), -1))
    return torch.cat(attended)


def packing_and_qkv(lengths):
    packing = Packing(mask_of(lengths), H)
    return packing, torch.randn(len(packing.slots_L), 3 * H * X, requires_grad=True)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=9), st.sampled_from([1, 300, 2**19]))
@settings(max_examples=60, deadline=None)
def test_attention_is_that_of_each_text_alone(lengths, most_scores):
    before = packed.MOST_SCORES
    try:
        packed.MOST_SCORES = most_scores
        packing, qkv_LD = packing_and_qkv(lengths)
    finally:
        packed.MOST_SCORES = before
    n, ours_LD = packing.num_tokens, attend(qkv_LD, packing, 0.0)
    torch.testing.assert_close(ours_LD[:n], plainly(qkv_LD, packing))
    direction = torch.randn(n, H * X)
    (ours,) = torch.autograd.grad((ours_LD[:n] * direction).sum(), qkv_LD)
    (plain,) = torch.autograd.grad((plainly(qkv_LD, packing) * direction).sum(), qkv_LD)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_attention_as_gpus_compute_it_is_the_same():
    packing, qkv_LD = packing_and_qkv(LENGTHS)
    n = packing.num_tokens
    ours, padded = (compute(qkv_LD, packing, 0.0)[:n] for compute in (attend, packed._attend_padded))
    torch.testing.assert_close(padded, ours)
    direction = torch.randn(n, H * X)
    gradients = [torch.autograd.grad((each * direction).sum(), qkv_LD)[0][:n] for each in (ours, padded)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_the_first_tokens_get_what_they_get_among_all():
    packing, qkv_LD = packing_and_qkv(LENGTHS)
    queries_BD = qkv_LD[packing.first_B, : H * X]
    ours = attend_from_first(queries_BD, qkv_LD[:, H * X :], packing, 0.0)
    torch.testing.assert_close(ours, plainly(qkv_LD, packing)[packing.first_B])


def test_packing_and_unpacking_keep_every_token_in_its_place():
    mask_BT = mask_of(LENGTHS)
    values = torch.randn(*mask_BT.shape, 2)
    packing = Packing(mask_BT, H)
    unpacked = packing.unpacked(values.flatten(0, 1)[packing.slots_L])
    assert torch.equal(unpacked, values * mask_BT[..., None])


@pytest.mark.parametrize("share", [0.003, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_share_and_keeps_the_mean(share, dtype):
    torch.manual_seed(1)
    values = dropout(torch.ones(400_001, dtype=dtype), share)
    deviation = (share * (1 - share) / 400_001) ** 0.5
    assert (values == 0).float().mean().item() == pytest.approx(share, abs=1 / 512 + 4 * deviation)
    assert values.float().mean().item() == pytest.approx(1, abs=4 * deviation / (1 - share) + 0.004)  # bf16 rounds
    assert len(values.unique()) == 2


def test_dropout_has_no_pattern():
    torch.manual_seed(2)
    kept = dropout(torch.ones(2**17), 0.5) > 0
    assert all(
        (kept[:-lag] == kept[lag:]).float().mean().item() == pytest.approx(0.5, abs=0.01) for lag in range(1, 66)
    )


def test_dropout_follows_the_seed_of_torch():
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(dropout(torch.ones(1000), 0.3))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_what_is_dropped_gets_no_gradient():
    values = torch.ones(1000, requires_grad=True)
    dropped = dropout(values, 0.3)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped)


def slope(function, values, direction):
    """Returns the directional derivative by differences, with equal random numbers."""
    ends = []
    for step in (1e-2, -1e-2):
        torch.manual_seed(0)
        ends.append(function(values + step * direction).double().sum())
    return ((ends[0] - ends[1]) / 2e-2).item()


def test_gradients_of_attention_with_dropout():
    packing, qkv_LD = packing_and_qkv(LENGTHS)
    weights = torch.randn(packing.num_tokens, H * X)

    def function(qkv_LD):
        return attend(qkv_LD, packing, 0.4)[: packing.num_tokens] * weights

    torch.manual_seed(0)
    function(qkv_LD).sum().backward()
    direction = torch.randn_like(qkv_LD)
    assert (qkv_LD.grad * direction).sum().item() == pytest.approx(
        slope(function, qkv_LD.detach(), direction), rel=0.02
    )


def test_dropped_weights_leave_attention_right_on_average():
    packing, qkv_LD = packing_and_qkv(LENGTHS)
    mean = torch.stack([attend(qkv_LD.detach(), packing, 0.3) for _ in range(800)]).mean(0)
    assert (mean - attend(qkv_LD, packing, 0.0))[: packing.num_tokens].abs().mean() < 0.03


class TestAddAndNormalize:
    @pytest.fixture
    def norm(self):
        norm = nn.LayerNorm(8)
        for weight in norm.parameters():
            nn.init.normal_(weight)
        return norm

    def test_is_the_norm_of_the_sum(self, norm):
        stream, change = torch.randn(2, 7, 8, requires_grad=True).unbind()
        ours, plain = add_and_normalize(stream, change, norm, 0.0), norm(stream + change)
        torch.testing.assert_close(ours, plain)
        leaves, direction = [stream, change, *norm.parameters()], torch.randn(7, 8)
        gradients = [torch.autograd.grad((each * direction).sum(), leaves, retain_graph=True) for each in (ours, plain)]
        torch.testing.assert_close(*gradients)

    def test_gradients_with_dropout(self, norm):
        change, weights = torch.randn(50, 8, requires_grad=True), torch.randn(50, 8)

        def function(change):
            return add_and_normalize(torch.ones(50, 8), change, norm, 0.4) * weights

        torch.manual_seed(0)
        function(change).sum().backward()
        direction = torch.randn_like(change)
        expected = slope(function, change.detach(), direction)
        assert (change.grad * direction).sum().item() == pytest.approx(expected, rel=0.02, abs=0.02)

    def test_a_frozen_norm_gets_no_gradient(self, norm):
        norm.requires_grad_(requires_grad=False)
        change = torch.randn(7, 8, requires_grad=True)
        F.relu(add_and_normalize(torch.ones(7, 8), change, norm, 0.1)).sum().backward()
        assert norm.weight.grad is None
        assert change.grad.any()
