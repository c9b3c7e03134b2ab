"""Weights of the terms and points of a loss, which move in the first phase of a training and stay in the second.

    gradient_norm        lambda_i <- 0.9 lambda_i + 0.1 mean_j |grad L_j|/|grad L_i|, every 1000 steps
    ntk                  lambda_i = mean_j(tr K_j/n_j)/(tr K_i/n_i), K the tangent kernel of the rows of a term
    self_adaptive        point weights by ascent, w <- w + eta r^2/mean r^2
    residual_attention   w <- gamma w + eta |r|/max |r|
    causal               w_i = exp(-eps sum over k < i of L_k) on chunks in time, eps raised where min w > 0.99

Weights are buffers, so that a resumed training knows them. They move only with batches that hold the step: a
quasi-Newton method compares values of one function, so no weight may change under it.

Sources: Wang, Teng, Perdikaris 2021 (gradients); Wang, Yu, Perdikaris 2022 (tangent kernel); McClenny, Braga-Neto 2023
(self-adaptive); Anagnostopoulos et al. 2024 (attention); Wang, Sankaran, Perdikaris 2022 (causality). A copy of the
authors' code of the last says that the method is patented for commercial use; it is used only where it is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.saved import Saved

if TYPE_CHECKING:
    from limitlab.discovery.pinn.solve import PINN

TERMS = ("data", "condition", "residual")
KERNEL_ROWS = 64
CHUNKS = 32
STRICTEST, RAISED = 1e2, 10.0


class CausalWeightsPatented(UserWarning):
    """Causal weights were asked for: a copy of their authors' code says that they are patented for commercial use."""


class Weighting(Saved):
    """Weights of a PINN's loss: of its terms, and of the points of its residual.

    method: "fixed" or one of the methods above. every: steps between two looks at the gradients or the kernel. points:
    collocation points of a trajectory, for the methods that weigh points. weights: first weights of "data",
    "condition" and "residual", 1 where left out. Raises InvalidArgument and UnknownName.

    >>> ll.discovery.pinn.Weighting(weights={"data": 10.0}).lambdas
    tensor([10.,  1.,  1.], dtype=torch.float64)
    """

    def __init__(
        self,
        method: str = "fixed",
        *,
        weights: Mapping[str, float] | None = None,
        every: int = 1000,
        points: int = 0,
        trajectories: int = 1,
        rate: float | None = None,
    ) -> None:
        super().__init__()
        self.method = one_of("weighting", method, METHODS)
        self.every = int(check_number("every", every, low=1, integer=True))
        for name in weights or {}:
            one_of("term of the loss", name, TERMS)
        first = [check_number(f"weight of {t}", (weights or {}).get(t, 1.0), low=0.0) for t in TERMS]
        self.register_buffer("lambdas", torch.tensor(first, dtype=torch.float64))
        if method in POINTWISE and not points:
            raise InvalidArgument(f"points must be the number of collocation points for {method!r} weights")
        count = int(check_number("points", points, low=0, integer=True)) if method in POINTWISE else 0
        self.register_buffer("attention", torch.ones(int(trajectories), count, dtype=torch.float64))
        self.register_buffer("strictness", torch.tensor(1e-2, dtype=torch.float64))
        self.rate = 1e-2 if rate is None else check_number("rate", rate, low=0.0)
        if method == "causal":
            warnings.warn(
                "causal weights: a copy of the authors' code says that the method is patented for commercial use",
                CausalWeightsPatented,
                stacklevel=2,
            )

    lambdas: Float[Tensor, " term"]
    attention: Float[Tensor, "trajectory point"]
    strictness: Float[Tensor, ""]

    def weight(self, term: str) -> Tensor:
        """The weight of a term."""
        return self.lambdas[TERMS.index(term)]

    def terms(self, rows: Mapping[str, Tensor], points: Tensor) -> dict[str, Tensor]:
        """Weighted means of the squared rows."""
        terms = {}
        for name, values in rows.items():
            squares = values.square()
            if name == "residual" and self.attention.shape[1]:
                if self.attention.shape != points.shape[:2]:
                    raise InvalidArgument(
                        f"points must stay {tuple(self.attention.shape)} (trajectory, point) under "
                        f"{self.method!r} weights; got {tuple(points.shape[:2])}"
                    )
                squares = squares * self.attention[:, None]
            terms[name] = self.weight(name) * squares.mean()
        return terms

    def adapt(self, model: PINN, rows: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
        """Move the weights where the method does so at this step."""
        METHODS[self.method](self, model, rows, batch)

    def freshly(self, values: Mapping[str, Tensor], keep: float) -> None:
        """Weights of the terms: a part `keep` of the old ones."""
        for name, value in values.items():
            index = TERMS.index(name)
            self.lambdas[index] = keep * self.lambdas[index] + (1 - keep) * value


def causal_weights(losses: Float[Tensor, " chunk"], strictness: float | Tensor) -> Float[Tensor, " chunk"]:
    """exp(-strictness times the sum of the losses of earlier chunks): the first is 1, and they never grow.

    >>> ll.discovery.pinn.causal_weights(torch.tensor([1.0, 1.0, 1.0]), 0.0)
    tensor([1., 1., 1.])
    """
    before = torch.cat([losses.new_zeros(1), torch.cumsum(losses, 0)[:-1]])
    return torch.exp(-strictness * before).detach()


def _fixed(weighting: Weighting, model: PINN, rows: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
    """Nothing moves."""


def _gradient_norm(weighting: Weighting, model: PINN, rows: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
    if batch["step"] % weighting.every:
        return
    trained = [p for p in model.parameters() if p.requires_grad]
    norms = {}
    for name, values in rows.items():
        gradients = torch.autograd.grad(values.square().mean(), trained, retain_graph=True, allow_unused=True)
        norms[name] = torch.sqrt(sum((g.square().sum() for g in gradients if g is not None), values.new_zeros(())))
    mean = torch.stack(list(norms.values())).mean()
    # a term that is met exactly has no gradient, and keeps its weight
    weighting.freshly({name: mean / norm for name, norm in norms.items() if norm > 0}, keep=0.9)


def _kernel(weighting: Weighting, model: PINN, rows: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
    if batch["step"] % weighting.every:
        return
    trained = [p for p in model.parameters() if p.requires_grad]
    traces = {}
    for name, values in rows.items():
        flat = values.flatten()
        chosen = flat[torch.linspace(0, len(flat) - 1, min(KERNEL_ROWS, len(flat))).round().long()]
        basis = torch.eye(len(chosen), dtype=flat.dtype, device=flat.device)
        jacobian = torch.autograd.grad(
            chosen, trained, basis, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        traces[name] = sum((j.square().sum() for j in jacobian if j is not None), flat.new_zeros(())) / len(chosen)
    mean = torch.stack(list(traces.values())).mean()
    weighting.freshly({name: mean / trace for name, trace in traces.items() if trace > 0}, keep=0.0)


def _self_adaptive(weighting: Weighting, model: PINN, rows: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
    squares = rows["residual"].detach().square().mean(1)
    weighting.attention += weighting.rate * squares / squares.mean().clamp_min(1e-300)


def _attention(weighting: Weighting, model: PINN, rows: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
    size = rows["residual"].detach().square().mean(1).sqrt()
    forget = 0.999
    weighting.attention.mul_(forget).add_(weighting.rate * size / size.max().clamp_min(1e-300))


def _causal(weighting: Weighting, model: PINN, rows: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
    squares = rows["residual"].detach().square().mean(1)
    span = model.equations.problem.span  # type: ignore[attr-defined]
    smallest = []
    for trajectory, times in enumerate(batch["points"][..., 0]):
        chunk = (times * (CHUNKS / span)).long().clamp(0, CHUNKS - 1)
        count = torch.bincount(chunk, minlength=CHUNKS).clamp_min(1)
        losses = torch.zeros(CHUNKS, dtype=squares.dtype, device=squares.device)
        losses.index_add_(0, chunk, squares[trajectory])
        weights = causal_weights(losses / count, weighting.strictness)
        weighting.attention[trajectory] = weights[chunk]
        smallest.append(weights.min())
    if min(smallest) > 0.99:
        weighting.strictness.mul_(RAISED).clamp_(max=STRICTEST)


METHODS: dict[str, Callable[[Weighting, Any, Mapping[str, Tensor], Mapping[str, Any]], None]] = {
    "fixed": _fixed,
    "gradient_norm": _gradient_norm,
    "ntk": _kernel,
    "self_adaptive": _self_adaptive,
    "residual_attention": _attention,
    "causal": _causal,
}
POINTWISE = ("self_adaptive", "residual_attention", "causal")
