import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from textune.training.engine.row_updates import (
    RowAdagrad,
    RowAdam,
    RowSgd,
    clip_gradients,
    merge_repeated_rows,
    use_row_gradients,
)

ROWS, WIDTH = 12, 8
ids_of_steps = st.lists(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=20), min_size=1, max_size=6)


def table(sparse, width=WIDTH):
    module = nn.Embedding(ROWS, width, sparse=sparse)
    with torch.no_grad():
        module.weight.copy_(torch.linspace(-1, 1, ROWS * width).view(ROWS, width))
    return module


def backward(module, ids):
    vectors = module(torch.tensor(ids))
    (vectors - torch.arange(float(vectors.shape[1]))).square().sum().backward()


def train(module, optimizer, steps, max_norm=None):
    for ids in steps:
        optimizer.zero_grad()
        backward(module, ids)
        if max_norm is not None:
            clip_gradients(module.parameters(), max_norm)
        optimizer.step()
    return module.weight.detach()


def row_adam(module, weight_decay=0.0, decoupled=False, lr=0.1):
    groups = [{"params": [module.weight], "weight_decay": weight_decay}]
    return RowAdam(groups, lr=lr, fused=True, decoupled_weight_decay=decoupled)


@given(ids_of_steps)
def test_repeated_rows_are_added_up(steps):
    module = table(sparse=True)
    for ids in steps:
        module.zero_grad()
        backward(module, ids)
        merged, expected = merge_repeated_rows(module.weight.grad), module.weight.grad.coalesce()
        torch.testing.assert_close(merged._indices(), expected._indices())
        torch.testing.assert_close(merged._values(), expected._values())
        assert merge_repeated_rows(merged) is merged


@given(ids_of_steps, st.sampled_from([1, 5, 8]))
def test_rows_of_adam_give_what_adam_without_momentum_gives_on_the_full_table(steps, width):
    rows, full = table(True, width), table(False, width)
    expected = train(full, torch.optim.Adam(full.parameters(), lr=0.1, betas=(0.0, 0.999)), steps)
    torch.testing.assert_close(train(rows, row_adam(rows), steps), expected, rtol=1e-4, atol=1e-5)


@given(st.lists(st.permutations(range(ROWS)), min_size=1, max_size=5), st.booleans())
def test_weight_decay_is_that_of_adam_when_every_row_is_touched(steps, decoupled):
    rows, full = table(sparse=True), table(sparse=False)
    steps = [ids + ids[:3] for ids in steps]
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    expected = train(full, kind(full.parameters(), lr=0.1, betas=(0.0, 0.999), weight_decay=0.1), steps)
    torch.testing.assert_close(train(rows, row_adam(rows, 0.1, decoupled), steps), expected, rtol=1e-4, atol=1e-5)


def test_decoupled_weight_decay_makes_up_for_the_steps_in_between():
    module = table(sparse=True)
    start = module.weight[1].detach().clone()
    optimizer = row_adam(module, weight_decay=0.5, decoupled=True)
    for ids in ([0], [0], [0], [1]):
        optimizer.zero_grad()
        (module(torch.tensor(ids)) * 0).sum().backward()
        optimizer.step()
    torch.testing.assert_close(module.weight[1].detach(), start * 0.95**4)


def test_a_gradient_moves_its_row_as_far_as_plain_adam_does():
    def moved(sparse, make_optimizer):
        module = table(sparse)
        optimizer, start = make_optimizer(module), module.weight[3].detach().clone()
        for step in range(200):
            optimizer.zero_grad()
            module(torch.tensor([3 if step == 50 else 0])).sum().backward()
            optimizer.step()
        return float((module.weight[3].detach() - start).norm())

    plain = moved(False, lambda module: torch.optim.Adam(module.parameters(), lr=0.01))
    assert moved(True, lambda module: row_adam(module, lr=0.01)) == pytest.approx(plain, rel=0.12)


@given(ids_of_steps)
def test_untouched_rows_keep_their_weights(steps):
    module = table(sparse=True)
    before = module.weight.detach().clone()
    train(module, row_adam(module, weight_decay=0.1, decoupled=True), steps)
    untouched = sorted(set(range(ROWS)) - {row for ids in steps for row in ids})
    assert torch.equal(module.weight[untouched], before[untouched])


@given(ids_of_steps, st.sampled_from([None, 0.5]))
@pytest.mark.parametrize(
    ("ours", "reference"), [(RowSgd, torch.optim.SGD), (RowAdagrad, torch.optim.Adagrad)], ids=["sgd", "adagrad"]
)
def test_rows_of_sgd_and_adagrad_give_what_the_full_table_gives(ours, reference, steps, max_norm):
    rows, full = table(sparse=True), table(sparse=False)
    got = train(rows, ours([{"params": [rows.weight]}], lr=0.01, fused=True), steps, max_norm)
    expected = train(full, reference(full.parameters(), lr=0.01), steps, max_norm)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@given(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=20), st.floats(0.01, 1000))
def test_clipping_of_rows_is_clipping_of_the_full_table(ids, max_norm):
    models = [nn.Sequential(table(sparse), nn.Linear(WIDTH, WIDTH)) for sparse in (True, False)]
    models[0][1].load_state_dict(models[1][1].state_dict())
    for model in models:
        backward(model, ids)
    clip_gradients(models[0].parameters(), max_norm)
    nn.utils.clip_grad_norm_(models[1].parameters(), max_norm)
    for ours, reference in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(ours.grad.to_dense(), reference.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("max_norm", [None, 0.01, 1e6])
def test_the_scale_of_the_loss_is_taken_out_of_rows_and_full_tables(max_norm):
    plain, scaled = (nn.Sequential(table(sparse=True), nn.Linear(WIDTH, WIDTH)) for _ in range(2))
    scaled.load_state_dict(plain.state_dict())
    for model, scale in ((plain, 1.0), (scaled, 1024.0)):
        (model(torch.tensor([1, 2, 2])).square().sum() * scale).backward()
    norms = clip_gradients(plain.parameters(), max_norm), clip_gradients(scaled.parameters(), max_norm, 1024.0)
    assert norms[0] == pytest.approx(norms[1])
    for ours, reference in zip(scaled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad.to_dense(), reference.grad.to_dense())


def test_several_tables_and_weighted_bags_are_trained_in_one_step():
    bag, words = nn.EmbeddingBag(1 << 18, 3, mode="sum"), nn.Embedding(50, 4)
    model = nn.ModuleList([bag, words, nn.Linear(3, 4)])
    use_row_gradients(model, enabled=True)
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    optimizer = RowAdam([{"params": list(model.parameters())}], lr=0.1, fused=True)
    weights_BT = torch.tensor([[1.0, 2.0, 0.5]])
    bags_BD = bag(torch.tensor([[7, 200_000, 7]]), per_sample_weights=weights_BT)
    (model[2](bags_BD) + words(torch.tensor([3]))).sum().backward()
    clip_gradients(model.parameters(), 1.0)
    optimizer.step()
    changed = {
        name: (weights != before[name]).any(-1).nonzero().flatten() for name, weights in model.named_parameters()
    }
    assert changed["0.weight"].tolist() == [7, 200_000]
    assert changed["1.weight"].tolist() == [3]
    assert len(changed["2.weight"]) == 4


def test_row_gradients_can_be_switched_off():
    model = nn.Sequential(table(sparse=True))
    use_row_gradients(model, enabled=False)
    backward(model, [1, 2])
    assert not model[0].weight.grad.is_sparse


def test_a_large_table_costs_what_its_rows_cost():
    generator = np.random.default_rng(0)
    module = nn.Embedding(200_000, 16, sparse=True)
    optimizer = row_adam(module)
    train_ids = generator.integers(0, 200_000, (2, 50)).tolist()
    for ids in train_ids:
        optimizer.zero_grad()
        module(torch.tensor(ids)).sum().backward()
        assert module.weight.grad._values().shape == (50, 16)
        optimizer.step()
    assert int((optimizer.state[module.weight]["square"] != 0).any(-1).sum()) == len(
        {i for ids in train_ids for i in ids}
    )
