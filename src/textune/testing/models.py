"""What every part of a model keeps to. Inherit and give it a config:

class TestMine(EncoderContract):
    @pytest.fixture
    def config(self): return MyConfig()
"""

# B batch, T tokens, D width, K classes, N texts, L tokens of all texts together

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textune.registry import lookup
from textune.testing.studies import run_study

__all__ = [
    "TEXTS",
    "TOKENS",
    "EmbeddingContract",
    "EncoderContract",
    "HeadContract",
    "ModelContract",
    "PoolingContract",
]

NUM_CLASSES = 3
PADDING = 0
TOKENS = tuple(str(number) for number in range(50))
TEXTS = ((7,), (3, 3), (5, 6, 7, 8), (9, 2, 9, 2, 9, 2, 4), tuple(range(10, 19)))
"""Token ids of texts of 1 to 9 tokens."""


class Classifier(nn.Module):
    """Embedding → encoder → pooling → head; kinds that are not given are the default ones."""

    def __init__(self, given: Mapping[str, Any], seed: int = 1) -> None:
        super().__init__()
        parts = {role: given.get(role) or lookup(role)() for role in ("embedding", "encoder", "pooling", "head")}  # type: ignore[misc]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            embedding = parts["embedding"].build(TOKENS, None)
            self.encoder = parts["encoder"].build(embedding)
            self.pooling = parts["pooling"].build(self.encoder)
            self.head = parts["head"].build(self.pooling.output_size, NUM_CLASSES)
        self.owned = (embedding,)  # in a tuple: its weights are saved as the encoder's, if it uses them

    def forward(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        logits_BK: Tensor = self.head(self.pooling(*self.encoder(ids_BT, mask_BT)))
        return logits_BK

    def step(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Computes the gradients of a training step and returns the loss."""
        labels_B = torch.arange(len(ids_BT)) % NUM_CLASSES
        loss = F.cross_entropy(self.train()(ids_BT, mask_BT), labels_B)
        if self.pooling.penalty is not None:
            loss = loss + self.pooling.penalty
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    @property
    def embedding(self) -> Any:
        return self.owned[0]

    @property
    def tables(self) -> list[nn.Embedding]:
        return [module for module in self.modules() if isinstance(module, nn.Embedding)]


class ModelContract:
    """Builds a classifier around one part and looks at what it computes and learns."""

    role: ClassVar[str]

    @pytest.fixture
    def config(self) -> Any:
        """Returns the config of the part; override."""
        raise NotImplementedError

    @pytest.fixture
    def others(self) -> dict[str, Any]:
        """Returns the configs of other parts, or of a tokenizer, by role if the default kinds do not fit; override."""
        return {}

    @pytest.fixture
    def model(self, config: Any, others: dict[str, Any]) -> Classifier:
        return Classifier({**others, self.role: config})

    @pytest.fixture
    def texts(self) -> tuple[Tensor, Tensor]:
        """Returns (ids_BT, mask_BT) of `TEXTS`."""
        longest = max(map(len, TEXTS))
        ids_BT = torch.tensor([[*text, *[PADDING] * (longest - len(text))] for text in TEXTS])
        return ids_BT, ids_BT != PADDING

    def test_one_row_of_finite_logits_per_text(self, model: Any, texts: Any) -> None:
        logits_BK = model(*texts)
        assert logits_BK.shape == (len(TEXTS), NUM_CLASSES)
        assert logits_BK.dtype == torch.float32
        assert logits_BK.isfinite().all()

    def test_the_widths_are_those_named(self, model: Any, texts: Any) -> None:
        hidden_BTD, mask_BT = model.encoder(*texts)
        assert hidden_BTD.shape == (*mask_BT.shape, model.encoder.output_size)
        assert model.pooling(hidden_BTD, mask_BT).shape == (len(TEXTS), model.pooling.output_size)
        assert model.embedding(texts[0]).shape == (*texts[0].shape, model.embedding.output_size)

    @pytest.mark.parametrize("more", [1, 20])
    def test_more_padding_changes_nothing(self, model: Any, texts: Any, more: int) -> None:
        ids_BT, mask_BT = texts
        model.eval()
        wider = model(F.pad(ids_BT, (0, more)), F.pad(mask_BT, (0, more)))
        torch.testing.assert_close(wider, model(ids_BT, mask_BT), rtol=1e-5, atol=1e-6)

    def test_a_text_alone_gives_what_it_gives_in_a_batch(self, model: Any, texts: Any) -> None:
        ids_BT, mask_BT = texts
        model.eval()
        alone = [model(ids_BT[[row], :length], mask_BT[[row], :length]) for row, length in enumerate(mask_BT.sum(1))]
        torch.testing.assert_close(torch.cat(alone), model(ids_BT, mask_BT), rtol=1e-5, atol=1e-6)

    def test_the_gradient_reaches_every_parameter(self, model: Any, texts: Any) -> None:
        model.step(*texts)
        weights = getattr(model, self.role).named_parameters()
        assert [name for name, weight in weights if weight.grad is None or not weight.grad.to_dense().any()] == []

    def test_gradients_of_rows_equal_gradients_of_tables(self, model: Any, texts: Any) -> None:
        gradients = []
        for rows in (False, True):
            for table in model.tables:
                table.sparse = rows
            model.zero_grad()
            torch.manual_seed(0)
            model.step(*texts)
            assert {table.weight.grad.is_sparse for table in model.tables if table.weight.grad is not None} <= {rows}
            gradients.append([weight.grad.to_dense() for weight in model.parameters() if weight.grad is not None])
        torch.testing.assert_close(gradients[0], gradients[1])

    def test_padding_is_nothing_and_stays_so(self, model: Any, texts: Any) -> None:
        model.step(*texts)
        for table in model.tables:
            assert not table.weight[PADDING].any()
            assert table.weight.grad is None or not table.weight.grad.to_dense()[PADDING].any()

    def test_autocast_changes_little(self, model: Any, texts: Any) -> None:
        model.eval()
        with torch.autocast("cpu", torch.bfloat16):
            logits_BK = model(*texts)
        assert logits_BK.dtype == torch.float32
        torch.testing.assert_close(logits_BK, model(*texts), rtol=0.05, atol=0.02)

    def test_a_step_under_autocast_leaves_gradients_in_fp32(self, model: Any, texts: Any) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            assert model.step(*texts).isfinite()
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        assert {gradient.dtype for gradient in gradients} == {torch.float32}

    def test_the_seed_decides_the_first_weights(self, config: Any, others: Any, model: Any) -> None:
        again = Classifier({**others, self.role: config}).state_dict()
        assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())

    def test_saved_weights_give_the_same_logits(
        self, config: Any, others: Any, model: Any, texts: Any, tmp_path: Path
    ) -> None:
        ids_BT, mask_BT = texts
        offsets_N1 = torch.cat([torch.zeros(1, dtype=torch.long), mask_BT.sum(1).cumsum(0)])
        model.encoder.adapt(ids_BT[mask_BT].numpy(), offsets_N1.numpy())
        safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
        other = Classifier({**others, self.role: config}, seed=2)
        other.load_state_dict(safetensors.torch.load_file(tmp_path / "model.safetensors"))
        assert torch.equal(other.eval()(*texts), model.eval()(*texts))

    def test_a_whole_study_runs_with_it(self, config: Any, others: dict[str, Any], tmp_path: Path) -> None:
        parts = {**others, self.role: config}
        run_study(tmp_path, {role if role == "tokenizer" else f"model.{role}": part for role, part in parts.items()})


class EmbeddingContract(ModelContract):
    """What every embedding keeps to."""

    role = "embedding"

    def test_vectors_of_padding_are_zero(self, model: Any, texts: Any) -> None:
        ids_BT, mask_BT = texts
        assert not model.embedding(ids_BT)[~mask_BT].any()

    def test_a_weighted_sum_is_that_of_the_vectors(self, model: Any, texts: Any) -> None:
        ids_BT, _ = texts
        weights_BT = torch.linspace(-1, 1, ids_BT.numel()).view(ids_BT.shape)
        model.eval()
        expected_BD = (model.embedding(ids_BT) * weights_BT[..., None]).sum(1)
        torch.testing.assert_close(model.embedding.weighted_sum(ids_BT, weights_BT), expected_BD)


class EncoderContract(ModelContract):
    """What every encoder keeps to."""

    role = "encoder"

    def test_what_was_read_backwards_is_part_of_the_output(self, model: Any) -> None:
        assert 0 <= model.encoder.backward_size <= model.encoder.output_size


class PoolingContract(ModelContract):
    """What every pooling keeps to, above encoders that read in one direction and in both."""

    role = "pooling"

    @pytest.fixture(params=["cnn", "rnn"])
    def others(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        encoder: Any = lookup("encoder", request.param)
        return {"encoder": encoder(bidirectional=True) if request.param == "rnn" else encoder()}

    def test_the_penalty_is_a_number_to_add_to_the_loss(self, model: Any, texts: Any) -> None:
        model.train()(*texts)
        assert model.pooling.penalty is None or model.pooling.penalty.shape == ()


class HeadContract(ModelContract):
    """What every head keeps to."""

    role = "head"
