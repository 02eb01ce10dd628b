"""What transformers compute on packed tokens: those of all texts one after the other, without padding.

On a CPU, where dropout, softmax and copies between layouts take longer than the matrix products if they are done in the
usual way.
"""

# B texts, T tokens of the longest, L packed tokens, D width, H heads, X width of a head
# G texts of a group, padded to the longest of them; S seats: one for each head and token of all groups

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["Packing", "add_and_normalize", "attend", "attend_from_first", "dropout"]

LENGTH_STEP = 64
"""Packed tokens are a multiple of this. oneDNN prepares its kernels for each length anew, which takes a third of a step
(MiniLM, 35 ms), and gradients of weights are sums over tokens, 1.3 times as fast over a multiple of 32 (2026-11)."""

MOST_SCORES = 2**19
"""Attention scores that are computed at once: about what the second-level cache of a core holds."""

WORDS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of a number → integers as wide."""


class Packing:
    """Where the tokens of a batch stand when packed.

    The texts' tokens are followed by at least one more, a copy of the first. As nothing is read of what is computed for
    it, its gradients are zero; so it can stand in wherever a token is missing.

    Attributes:
        mask_BT: True on tokens.
        num_tokens: of the texts.
        slots_L: the place in the batch, counted row by row, of each packed token.
        first_B: which packed token is the first of each text.
        length_B: how many each has.
    """

    def __init__(self, mask_BT: Tensor, num_heads: int) -> None:
        self.mask_BT, self.num_heads = mask_BT, num_heads
        self.length_B = mask_BT.sum(1)
        self.first_B = self.length_B.cumsum(0) - self.length_B
        tokens = mask_BT.flatten().nonzero()[:, 0]
        self.num_tokens = len(tokens)
        self.slots_L = F.pad(tokens, (0, LENGTH_STEP - self.num_tokens % LENGTH_STEP))
        if mask_BT.device.type == "cpu":
            self._seat()

    def unpacked(self, hidden_LD: Tensor) -> Tensor:
        """Returns hidden_BTD, zero where there is no token."""
        hidden = hidden_LD.new_zeros(self.mask_BT.numel(), hidden_LD.shape[1])
        hidden = hidden.index_copy(0, self.slots_L[: self.num_tokens], hidden_LD[: self.num_tokens])
        return hidden.view(*self.mask_BT.shape, -1)

    def _seat(self) -> None:
        """Lays the tokens out for attention: (G, H, T) in each group, groups one after the other.

        What stands where is told by the numbers of rows as wide as a head, of which a token has 3 · H before attention
        (queries, keys, values) and H after it.
        """
        num_heads, num_packed = self.num_heads, len(self.slots_L)
        head_H1 = torch.arange(num_heads)[:, None]
        seat_LH = torch.zeros(num_packed, num_heads, dtype=torch.long)
        self.groups: list[_Group] = []
        rows_before, rows_after, start = [], [], 0
        for texts_G in _groups(self.length_B, num_heads):
            length_G1 = self.length_B[texts_G, None]
            position_T = torch.arange(int(length_G1[-1]))
            is_missing_GT = position_T >= length_G1
            token_G1T = (self.first_B[texts_G, None] + position_T).masked_fill_(is_missing_GT, num_packed - 1)[:, None]
            rows_before.append((token_G1T * (3 * num_heads) + head_H1).flatten())
            rows_after.append((token_G1T * num_heads + head_H1).flatten())
            end = start + len(rows_after[-1])
            seat_GTH = torch.arange(start, end).view(len(texts_G), num_heads, -1).transpose(1, 2)
            seat_LH[token_G1T.flatten()] = seat_GTH.reshape(-1, num_heads)
            self.groups.append(_Group(start, end, len(position_T), _bias(is_missing_GT, num_heads)))
            start = end
        part_3 = torch.arange(3)
        self.num_seats = start
        self.before_3S = (torch.cat(rows_before) + part_3[:, None] * num_heads).flatten()
        self.after_S = torch.cat(rows_after)
        self.seats_LH = seat_LH.flatten()
        self.seats_L3H = (seat_LH[:, None] + part_3[:, None] * start).flatten()


class _Group(NamedTuple):
    start: int
    end: int
    length: int
    bias: Tensor | None

    def of(self, rows_SX: Tensor) -> Tensor:
        """Returns its rows as (G · H, T, X)."""
        return rows_SX[self.start : self.end].view(-1, self.length, rows_SX.shape[1])


def _groups(length_B: Tensor, num_heads: int) -> Iterator[Tensor]:
    """Yields texts of similar length, the longest group first, the longest text of a group last."""
    order_B = length_B.argsort()
    lengths = length_B[order_B].tolist()
    end = len(lengths)
    while end > 0:
        start = max(end - max(MOST_SCORES // (num_heads * lengths[end - 1] ** 2), 1), 0)
        yield order_B[start:end]
        end = start


def _bias(is_missing_GT: Tensor, num_heads: int) -> Tensor | None:
    """Returns what is added to scores, as (G · H, 1, T); None if no token is missing."""
    if not is_missing_GT.any():
        return None
    bias_GT = torch.zeros(is_missing_GT.shape).masked_fill_(is_missing_GT, -torch.inf)
    return bias_GT.repeat_interleave(num_heads, 0)[:, None]


def attend(qkv_LD: Tensor, packing: Packing, share: float) -> Tensor:
    """Returns for each token and head the mean of its text's values, weighted by how queries and keys match.

    Args:
        qkv_LD: queries, by which scores are scaled already, keys and values side by side.
        packing: of the tokens.
        share: of the weights that is dropped.
    """
    if qkv_LD.device.type != "cpu":
        return _attend_padded(qkv_LD, packing, share)
    attended: Tensor = _Attention.apply(qkv_LD, packing, share)  # type: ignore[no-untyped-call]
    return attended


def attend_from_first(queries_BD: Tensor, keys_values_LD: Tensor, packing: Packing, share: float) -> Tensor:
    """As `attend`, for the first token of each text alone."""
    num_texts, num_slots = packing.mask_BT.shape
    keys_values = packing.unpacked(keys_values_LD).view(num_texts, num_slots, 2, packing.num_heads, -1)
    keys, values = keys_values.permute(2, 0, 3, 1, 4).unbind()
    scores_BH1T = queries_BD.view(num_texts, packing.num_heads, 1, -1) @ keys.mT
    scores_BH1T = scores_BH1T.float().masked_fill(~packing.mask_BT[:, None, None], -torch.inf)
    weights_BH1T = dropout(scores_BH1T.softmax(-1), share).to(values.dtype)
    return (weights_BH1T @ values).flatten(1)


def _attend_padded(qkv_LD: Tensor, packing: Packing, share: float) -> Tensor:
    """As `attend`, by the fused kernels that GPUs have."""
    num_texts, num_slots = packing.mask_BT.shape
    qkv = packing.unpacked(qkv_LD).view(num_texts, num_slots, 3, packing.num_heads, -1).permute(2, 0, 3, 1, 4)
    queries, keys, values = qkv.unbind()
    mask_B11T = packing.mask_BT[:, None, None]
    attended = F.scaled_dot_product_attention(queries, keys, values, mask_B11T, dropout_p=share, scale=1.0)
    return attended.transpose(1, 2).reshape(num_texts * num_slots, -1).index_select(0, packing.slots_L)


class _Attention(torch.autograd.Function):
    """Group by group, so that scores stay in the cache; weights are kept for the way back, scores are not."""

    @staticmethod
    def forward(ctx: Any, qkv_LD: Tensor, packing: Packing, share: float) -> Tensor:
        num_heads = packing.num_heads
        width = qkv_LD.shape[1] // (3 * num_heads)
        queries, keys, values = parts = (
            qkv_LD.view(-1, width).index_select(0, packing.before_3S).view(3, packing.num_seats, width)
        )
        attended_SX = torch.empty_like(values)
        saved = []
        for group in packing.groups:
            scores = torch.bmm(group.of(queries), group.of(keys).mT)
            if group.length % 32:  # else softmax is fast, and computes in fp32, in lower precision too
                scores = scores.float()
            if group.bias is not None:
                scores += group.bias
            weights = scores.softmax(-1).to(qkv_LD.dtype)
            kept = _draw_kept(weights.shape, share)
            torch.bmm(_where(kept, weights), group.of(values), out=group.of(attended_SX))
            saved += [weights, kept]
        ctx.packing, ctx.scale = packing, _scale(share)
        ctx.save_for_backward(parts, *saved)
        attended_LD = attended_SX.index_select(0, packing.seats_LH).view(len(qkv_LD), -1)
        return attended_LD.mul_(ctx.scale) if share else attended_LD

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_LD: Tensor) -> tuple[Tensor, None, None]:
        packing: Packing = ctx.packing
        parts, *saved = ctx.saved_tensors
        queries, keys, values = parts
        if ctx.scale != 1:
            gradient_LD = gradient_LD * ctx.scale
        gradient_SX = gradient_LD.reshape(-1, parts.shape[2]).index_select(0, packing.after_S)
        gradients = torch.empty_like(parts)
        for group, weights, kept in zip(packing.groups, saved[::2], saved[1::2], strict=True):
            gradient = group.of(gradient_SX)
            torch.bmm(_where(kept, weights).mT, gradient, out=group.of(gradients[2]))
            of_weights = _where(kept, torch.bmm(gradient, group.of(values).mT))
            of_scores = torch._softmax_backward_data(of_weights.float(), weights.float(), -1, torch.float32)
            of_scores = of_scores.to(weights.dtype)
            torch.bmm(of_scores, group.of(keys), out=group.of(gradients[0]))
            torch.bmm(of_scores.mT, group.of(queries), out=group.of(gradients[1]))
        packed = gradients.view(-1, parts.shape[2]).index_select(0, packing.seats_L3H).view(len(packing.slots_L), -1)
        packed[packing.num_tokens :] = 0  # what stands in for missing tokens has no seat
        return packed, None, None


def add_and_normalize(stream_LD: Tensor, change_LD: Tensor, norm: nn.LayerNorm, share: float) -> Tensor:
    """Returns `norm` of `stream_LD` plus `change_LD`, of which a share is dropped, in the numbers of the former."""
    if stream_LD.device.type != "cpu":
        normalized: Tensor = norm(stream_LD + F.dropout(change_LD, share))
    else:
        arguments = (stream_LD, change_LD, norm.weight, norm.bias, norm.eps, share)
        normalized = _AddAndNormalize.apply(*arguments)  # type: ignore[no-untyped-call]
    return normalized


class _AddAndNormalize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, stream_LD: Tensor, change_LD: Tensor, weight_D: Tensor, bias_D: Tensor, eps: float, share: float
    ) -> Tensor:
        kept = _draw_kept(change_LD.shape, share)
        ctx.scale, ctx.dtype = _scale(share), change_LD.dtype
        total_LD = torch.add(stream_LD, _where(kept, change_LD).to(stream_LD.dtype), alpha=ctx.scale)
        normalized_LD, mean, reciprocal = torch.native_layer_norm(total_LD, weight_D.shape, weight_D, bias_D, eps)
        ctx.save_for_backward(total_LD, mean, reciprocal, weight_D, bias_D, kept)
        return normalized_LD

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_LD: Tensor) -> tuple[Tensor | None, ...]:
        total_LD, mean, reciprocal, weight_D, bias_D, kept = ctx.saved_tensors
        of_total, of_weight, of_bias = torch.ops.aten.native_layer_norm_backward(
            gradient_LD,
            total_LD,
            weight_D.shape,
            mean,
            reciprocal,
            weight_D,
            bias_D,
            [True, *ctx.needs_input_grad[2:4]],
        )
        of_change = _where(kept, of_total.to(ctx.dtype))
        return of_total, of_change if kept is None else of_change.mul_(ctx.scale), of_weight, of_bias, None, None


def dropout(values: Tensor, share: float) -> Tensor:
    """Returns the values with a share of them set to zero and the others scaled up."""
    if share == 0 or values.device.type != "cpu":
        return F.dropout(values, share)
    dropped: Tensor = _Dropout.apply(values, share)  # type: ignore[no-untyped-call]
    return dropped


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, share: float) -> Tensor:
        kept = _draw_kept(values.shape, share)
        ctx.scale = _scale(share)
        ctx.save_for_backward(kept)
        return _where(kept, values).mul_(ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _where(ctx.saved_tensors[0], gradient).mul_(ctx.scale), None


def _threshold(share: float) -> int:
    """Returns below which of the 256 values of a byte a number is dropped."""
    return min(max(round(share * 256), 1), 255) if share else 0


def _scale(share: float) -> float:
    """Returns what makes up for what is dropped, on average."""
    return 256 / (256 - _threshold(share))


def _draw_kept(shape: torch.Size, share: float) -> Tensor | None:
    """Returns a byte per number: -1 where it is kept, 0 where it is dropped; None if no number is.

    A random byte per number takes a tenth of the time of `Tensor.bernoulli_`.
    """
    if share == 0:
        return None
    num_kept, count = 256 - _threshold(share), shape.numel()
    words = torch.empty(count // 8 + 1, dtype=torch.int64).random_(-(2**63), None)
    random = words.view(torch.uint8)[:count].view(shape)
    return random.clamp_(num_kept - 1, num_kept).sub_(num_kept).view(torch.int8)


def _where(kept: Tensor | None, values: Tensor) -> Tensor:
    """Returns the values that are kept, zero for others: a product with booleans takes ten times as long."""
    if kept is None:
        return values
    word = WORDS[values.element_size()]
    return kept.to(word).bitwise_and_(values.view(word)).view(values.dtype)
