# B batch, T tokens, D width, H state of one direction

import pytest
import torch
from torch import nn

from textune.models import RnnConfig, VectorsConfig
from textune.models.nets.rnn import Reader

CELLS = ["rnn", "gru", "lstm"]


def build(**settings):
    return RnnConfig(**settings).build(VectorsConfig(size=6).build(["x"] * 50, None))


def with_gradients(function, module):
    module.zero_grad()
    states = function()
    states.square().sum().backward()
    return states, [weight.grad.clone() for weight in module.parameters()]


@pytest.mark.parametrize(("cell", "activation"), [*((cell, "tanh") for cell in CELLS), ("rnn", "relu")])
def test_step_by_step_equals_the_fused_kernel(cell, activation):
    reader = build(cell=cell, hidden_size=5, activation=activation).forward_readers[0]
    assert reader.fused
    vectors_BTD = torch.randn(3, 7, 6)
    fused = with_gradients(lambda: reader(vectors_BTD), reader)
    stepwise = with_gradients(lambda: reader.unfused(vectors_BTD), reader)
    torch.testing.assert_close(fused, stepwise)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_the_activation_reaches_the_states(cell, activation, texts):
    states, _ = build(cell=cell, activation=activation)(*texts)
    assert states.min() >= 0
    if activation == "sigmoid" and cell == "rnn":
        assert 0 < states.min() < states.max() < 1


@pytest.mark.parametrize("cell", CELLS)
def test_both_directions_equal_packed_sequences(cell, texts):
    """Two layers, both directions, against PyTorch's own module on packed texts."""
    encoder = build(cell=cell, hidden_size=5, num_layers=2, bidirectional=True)
    kernel = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](6, 5, 2, batch_first=True, bidirectional=True)
    for layer in range(2):
        for readers, suffix in ((encoder.forward_readers, ""), (encoder.backward_readers, "_reverse")):
            for name, weight in readers[layer].kernel.named_parameters():
                own = getattr(kernel, name.replace("_l0", f"_l{layer}{suffix}"))
                own.data.copy_(weight.data)
    ids_BT, mask_BT = texts
    packed = nn.utils.rnn.pack_padded_sequence(
        encoder.embedding(ids_BT), mask_BT.sum(1), batch_first=True, enforce_sorted=False
    )
    expected, _ = nn.utils.rnn.pad_packed_sequence(kernel(packed)[0], batch_first=True)
    states, _ = encoder(ids_BT, mask_BT)
    torch.testing.assert_close(states[mask_BT], expected[mask_BT])


def test_dropout_stands_between_layers_only(texts):
    torch.manual_seed(0)
    for layers, changes in ((1, False), (2, True)):
        encoder = build(num_layers=layers, dropout=0.5)
        assert torch.equal(encoder(*texts)[0], encoder(*texts)[0]) != changes


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_in_bf16_it_gives_what_the_kernel_does(cell):
    """On a GPU autocast takes fp16 for the kernel, so it is called with numbers in bf16."""
    torch.manual_seed(1)
    reader = Reader(RnnConfig(cell=cell, hidden_size=8), 4)
    vectors_BTD = torch.randn(3, 5, 4)
    expected_BTH = reader(vectors_BTD)
    given_BTH = reader.in_bf16(vectors_BTD)
    assert given_BTH.dtype is torch.bfloat16
    torch.testing.assert_close(given_BTH.float(), expected_BTH, atol=0.02, rtol=0.02)
    weights = list(reader.kernel.parameters())
    expected, given = (
        torch.autograd.grad(states.float().square().sum(), weights) for states in (expected_BTH, given_BTH)
    )
    for ours, reference in zip(given, expected, strict=True):
        assert ours.dtype is torch.float32
        torch.testing.assert_close(ours, reference, atol=0.1, rtol=0.1)
