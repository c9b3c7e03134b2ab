"""The natural gradient of a loss of functions: weights <- weights - a (G + mu tr(G)/n I)^(-1) g, in float64.

G is the Gram matrix of what the weights do to the function, in the metric that the loss has there. For a loss l(s) of
states s, such as values and slopes of a network at points, or rows of a residual,

    G = J' D^2 l J,    J = ds / dweights:

the Gauss-Newton matrix of a least squares problem, and the energy natural gradient of an energy, along which the
function itself makes Newton's step as far as the network's tangents reach. G is exact where s is linear in the weights.
Elsewhere the damping mu follows the gain ratio r of the decrease over that of the quadratic model,

    mu <- mu max(1/3, 1 - (2 r - 1)^3)    after a step of length 1,    4 mu after a shorter one.

Nothing but mu is kept from step to step, so the first step is as good as the hundredth; the price is one Gram matrix a
step. Sources: Mueller, Zeinhofer, Achieving high accuracy with PINNs via energy natural gradient descent (2023);
Schraudolph, Fast curvature matrix-vector products (2002); Nielsen, Damping parameter in Marquardt's method (1999).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.memory import require_memory
from limitlab.training.optimizers.quasi_newton import QuasiNewton

LEAST = 1e-12
"""Of the mean eigenvalue of G: less damping is lost in the rounding of a Cholesky factorisation."""
PANEL = 512


class NaturalGradient(QuasiNewton):
    """`step(closure, gram)`: gram() gives G (weight, weight), in the order of the trained parameters.

    For some 2000 weights: a step factorises G. damping: mu at the start. Raises InvalidArgument for a G of another size
    or without a gram.

    >>> x = torch.tensor([3.0, -2.0], dtype=torch.float64, requires_grad=True)
    >>> optimizer = ll.training.natural_gradient.NaturalGradient([x], damping=1e-9)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = x[0] ** 2 + 100 * x[1] ** 2
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure, lambda: torch.diag(torch.tensor([2.0, 200.0], dtype=torch.float64)))
    >>> bool(loss < 1e-12)
    True
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1.0,
        *,
        damping: float = 1e-2,
        **rest: Any,
    ) -> None:
        super().__init__(params, lr, **rest)
        self.damping = check_number("damping", damping, low=LEAST)

    def _forget(self, state: dict[str, Any]) -> None:
        """Begin with the damping of the start; where that leads nowhere, with so much that -g is followed."""
        first = self.damping if "damping" not in state else max(1.0, float(state["damping"]))
        state["damping"] = torch.tensor(first, dtype=torch.float64)

    def _first_length(self, state: Mapping[str, Any], gradient: Tensor, loss: float, slope: float) -> float:
        return 1.0

    def _direction(self, state: dict[str, Any], gradient: Tensor) -> Tensor:
        damped = self._metric(gradient)
        mean = damped.diagonal().mean()
        state["curvature"] = mean
        damped.diagonal().add_(float(state["damping"]) * mean)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if failed:
            # no direction at all: the caller forgets, and asks again
            return torch.zeros_like(gradient)
        return -torch.cholesky_solve(gradient[:, None], factor)[:, 0]

    def _metric(self, gradient: Tensor) -> Float[Tensor, "weight weight"]:
        count = len(gradient)
        if self._gram is None:
            raise InvalidArgument("NaturalGradient needs a function gram, of Recipe or step, that gives its matrix")
        advice = "take optimizer='lbfgs'"
        require_memory(16 * count**2, f"the Gram matrix of {count} weights", gradient.device, advice=advice)
        with torch.enable_grad():
            matrix = self._gram().detach().to(gradient)
        if matrix.shape != (count, count):
            raise InvalidArgument(f"gram must give a matrix of {count} weights; got shape {tuple(matrix.shape)}")
        return matrix

    def _learn(self, state: dict[str, Any], step: Tensor, change: Tensor, predicted: float) -> None:
        damping, factor = float(state["damping"]), 1 / 3
        if self.length < 1:
            factor = 4.0
        elif self.length == 1:
            # -(d'g + d'G d/2) with d'g = -d'(G + mu) d
            expected = (damping * float(state["curvature"] * (step @ step)) - predicted) / 2
            gain = float(state["previous_loss"] - state["loss"]) / expected
            factor = max(factor, 1 - (2 * gain - 1) ** 3)
        state["damping"] = torch.tensor(max(LEAST, damping * factor), dtype=torch.float64)


def gram(weights: Sequence[Tensor], blocks: Iterable[Float[Tensor, " row"]]) -> Float[Tensor, "weight weight"]:
    """sum over the rows of J'J, block by block; a row is scaled by the root of what it counts in the loss.

    A block holds rows of a few points, as each of its rows is differentiated in the weights through the whole block.

    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> ll.training.natural_gradient.gram([w], [w[:1] * 3, w[1:] ** 2])
    tensor([[ 9.,  0.],
            [ 0., 16.]])
    """
    count = sum(w.numel() for w in weights)
    total, panel = weights[0].new_zeros(count, count), weights[0].new_zeros(0, count)
    for rows in blocks:
        basis = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
        # retained: blocks may be parts of one graph
        parts = torch.autograd.grad(rows, weights, basis, True, is_grads_batched=True, allow_unused=True)
        jacobian = [
            rows.new_zeros(len(rows), w.numel()) if part is None else part.reshape(len(rows), w.numel())
            for part, w in zip(parts, weights, strict=True)
        ]
        panel = torch.cat([panel, torch.cat(jacobian, 1)])
        # a product of few rows costs a pass over the whole matrix
        if len(panel) >= PANEL:
            total, panel = total.addmm_(panel.T, panel), panel[:0]
    return total.addmm_(panel.T, panel)
