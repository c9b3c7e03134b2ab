"""SOAP: Adam in the eigenbases of Shampoo's two covariances of a weight matrix's gradient.

For a matrix with gradient G, M = EMA of G, L = EMA of G G', R = EMA of G' G, and Q_L, Q_R their eigenbases:
    G~ = Q_L' G Q_R,   V = EMA of G~^2,   W <- W - rate Q_L [ (Q_L' M Q_R) / (sqrt(V) + eps) ] Q_R'
with Adam's corrections of the beginning. The bases come from an eigendecomposition at the first step, which changes
no weight, and from one step of the QR iteration every 10 steps. Vectors, tensors of other orders and complex weights
have Adam's own step. Source: Vyas et al., SOAP: Improving and stabilizing Shampoo using Adam (2024), Algorithm 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from limitlab.errors import check_number, check_numbers

LARGEST = 10_000
"""A matrix with a longer side has Adam's own step: the covariance of that side would not fit."""


class SOAP(torch.optim.Optimizer):
    """Adam in slowly rotating bases, for mini-batches. betas: of M, and of V, L and R; `weight_decay` as in AdamW.

    >>> weight = torch.zeros(2, 2, requires_grad=True)
    >>> optimizer = ll.training.soap.SOAP([weight], lr=0.1)
    >>> for _ in range(200):
    ...     optimizer.zero_grad()
    ...     loss = (weight - torch.eye(2)).square().sum()
    ...     loss.backward()
    ...     optimizer.step()
    >>> bool(loss < 1e-3)
    True
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 3e-3,
        *,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        refresh_every: int = 10,
    ) -> None:
        defaults = {
            "lr": check_number("lr", lr, low=0),
            "betas": check_numbers("betas", betas, 2, low=0, high=1),
            "eps": check_number("eps", eps, low=0),
            "weight_decay": check_number("weight_decay", weight_decay, low=0),
            "refresh_every": int(check_number("refresh_every", refresh_every, low=1, integer=True)),
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step from the gradients in the parameters."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    _update(parameter, parameter.grad, self.state[parameter], group)
        return loss


def _update(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
    weight, gradient = _real(parameter), _real(gradient)
    matrix = parameter.ndim == 2 and max(parameter.shape) <= LARGEST and not parameter.is_complex()
    first, second = group["betas"]
    if "step" not in state:
        state["step"] = torch.tensor(0.0)
        state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        if matrix:
            state["left"], state["right"] = (1 - second) * gradient @ gradient.T, (1 - second) * gradient.T @ gradient
            for side in ("left", "right"):
                # by falling eigenvalue, as the QR iteration orders them
                state[f"{side}_basis"] = torch.linalg.eigh(state[side])[1].flip(1).contiguous()
            # bases that come from one gradient alone would make its rotation diagonal
            return
    state["step"] += 1
    count = float(state["step"])
    state["mean"].lerp_(gradient, 1 - first)
    rotated, mean = gradient, state["mean"]
    if matrix:
        rotated, mean = (state["left_basis"].T @ part @ state["right_basis"] for part in (gradient, mean))
    state["square"].lerp_(rotated.square(), 1 - second)
    scale = (1 - second**count) ** 0.5
    move = mean / (state["square"].sqrt() / scale + group["eps"])
    if matrix:
        move = state["left_basis"] @ move @ state["right_basis"].T
    weight.mul_(1 - group["lr"] * group["weight_decay"])
    weight.add_(move, alpha=-group["lr"] / (1 - first**count))
    if matrix:
        state["left"].lerp_(gradient @ gradient.T, 1 - second)
        state["right"].lerp_(gradient.T @ gradient, 1 - second)
        if count % group["refresh_every"] == 0:
            _refresh(state)


def _refresh(state: dict[str, Any]) -> None:
    """One step of the QR iteration of both bases; V's rows and columns go along with the order of their directions."""
    for dimension, side in enumerate(("left", "right")):
        covariance, basis = state[side], state[f"{side}_basis"]
        order = ((covariance @ basis) * basis).sum(0).argsort(descending=True, stable=True)
        state["square"] = state["square"].index_select(dimension, order)
        # contiguous, as it comes back from a checkpoint: another layout would round otherwise
        state[f"{side}_basis"] = torch.linalg.qr(covariance @ basis[:, order])[0].contiguous()


def _real(tensor: Tensor) -> Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
