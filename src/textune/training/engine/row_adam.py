"""Adam that leaves the rows of an embedding table alone unless the batch touched them."""

# U distinct rows of a batch, D width

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["RowAdam", "clip_gradients", "merge_repeated_rows", "use_row_gradients"]


def use_row_gradients(model: nn.Module, *, enabled: bool) -> None:
    """Lets every embedding table of `model` give its gradient as rows, or as a full table.

    A table is any module with a boolean attribute `sparse`, as `nn.Embedding` and `nn.EmbeddingBag` have.
    """
    for module in model.modules():
        if isinstance(getattr(module, "sparse", None), bool):
            module.sparse = enabled  # type: ignore[assignment]


def merge_repeated_rows(gradient: Tensor) -> Tensor:
    """Returns the sparse gradient with each row once, the gradients of repeated rows added up."""
    if gradient.is_coalesced():
        return gradient
    return gradient.coalesce()


class RowAdam(torch.optim.Adam):
    """Adam (AdamW, if `decoupled_weight_decay`) that takes gradients of rows.

    For a sparse gradient it does what `torch.optim.SparseAdam` does: only the rows in it change, their moments too; the
    number of steps, for the bias correction, is the table's. Weight decay acts on these rows alone. All other
    parameters take plain Adam in one fused kernel.
    """

    def __init__(self, groups: list[dict[str, Any]], **settings: Any) -> None:
        super().__init__(groups, fused=True, **settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and parameter.grad.is_sparse:
                    self._update_rows(parameter, group)
                    parameter.grad = None
        return super().step(closure)

    def _update_rows(self, table: Tensor, group: dict[str, Any]) -> None:
        assert table.grad is not None
        gradient = merge_repeated_rows(table.grad)
        rows_U, gradient_UD = gradient._indices()[0], gradient._values()
        state = self.state[table]
        if not state:
            state["step"] = torch.zeros((), device=table.device)
            state["exp_avg"] = torch.zeros_like(table)
            state["exp_avg_sq"] = torch.zeros_like(table)
        state["step"] += 1
        tensors = [table, state["exp_avg"], state["exp_avg_sq"]]
        picked = [tensor.index_select(0, rows_U) for tensor in tensors]
        fused = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
        beta1, beta2 = group["betas"]
        fused(
            [picked[0]],
            [gradient_UD],
            [picked[1]],
            [picked[2]],
            [],
            [state["step"]],
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )
        for tensor, rows_UD in zip(tensors, picked, strict=True):
            tensor.index_copy_(0, rows_U, rows_UD)


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> None:
    """Scales all gradients down so that their common 2-norm is at most `max_norm`; rows and full tables alike."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = merge_repeated_rows(parameter.grad)
            gradients.append(parameter.grad._values())
        else:
            gradients.append(parameter.grad)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))
