"""Muon, which gives a weight matrix a step of equal size in all directions, and its partner AdamW.

Jordan et al. (2024), https://kellerjordan.github.io/posts/muon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from anatomy.models.transformer import Transformer


def orthogonalise(matrix: Tensor, *, steps: int = 5) -> Tensor:
    """Nearly U Vᵀ of M = U S Vᵀ: every singular value moved towards 1, the directions kept.

    Newton–Schulz: X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X maps each singular value s to
    a s + b s³ + c s⁵. The coefficients are Jordan's, chosen to lift small values fast;
    they leave the values in about [0.7, 1.2] and not at 1, which costs nothing.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT  # the smaller X Xᵀ
    x = wide / (wide.norm() + 1e-7)  # now no singular value exceeds 1
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.mT


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised: W ← W − lr · √max(1, rows/columns) · orthogonalise(G + μ M).

    M ← μ M + G, and G + μ M looks one step ahead (Nesterov). For the matrices inside
    the blocks only; embeddings and vectors are AdamW's.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            if any(matrix.ndim != 2 for matrix in group["params"]):
                raise ValueError("Muon moves matrices; give vectors and biases to AdamW")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update. A `closure` computes loss and gradients first; its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                momentum = state["momentum"].mul_(group["momentum"]).add_(matrix.grad)
                ahead = matrix.grad + group["momentum"] * momentum
                rows, columns = matrix.shape
                size = group["lr"] * max(1.0, rows / columns) ** 0.5
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(orthogonalise(ahead), alpha=-size)
        return loss


def adamw(model: nn.Module, lr: float, *, weight_decay: float = 0.1) -> torch.optim.AdamW:
    """AdamW with GPT-3's β = (0.9, 0.95); only matrices decay (Brown et al. 2020, appendix B)."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}]
    if vectors:
        groups.append({"params": vectors, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)


def muon_and_adamw(
    model: Transformer, *, muon_lr: float = 0.02, adamw_lr: float = 3e-3
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for everything else."""
    inside = [p for p in model.blocks.parameters() if p.ndim == 2]
    chosen = set(map(id, inside))
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        Muon(inside, lr=muon_lr),
        torch.optim.AdamW(rest, lr=adamw_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
