"""Which way to a network's gradients is right for it: proved on some of its points before the kernel is taken.

A rule of `structured` holds where the network uses a layer's weights in calls of that layer and nowhere else, and does
not overwrite what goes into it or comes out. Batched Jacobians are right where torch can follow the network under
`vmap` and finds every weight by its name. No type of network promises either, so both are compared with the plain
reverse pass, parameter by parameter, along a random direction at some of the points. What fails is done in a slower way
that assumes less, with a warning.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.infinite_width.finite.factors import Factor, jacobian_factors, looped_factors
from limitlab.infinite_width.finite.structured import claimed, noted, structured_factors, weight_gradients

POINTS = 4
BATCHED_FLOATS = 2**27


class SlowerMethod(UserWarning):
    """The method that was asked for would be wrong, or cannot follow this network; a slower one gives the kernel."""


@dataclass(frozen=True)
class Way:
    """Layers whose rule holds, the other trained parameters, and whether batched Jacobians give those."""

    layers: dict[str, nn.Module]
    rest: frozenset[str]
    batched: bool

    def factors(self, network: nn.Module, readout: Float[Tensor, "rows outputs"], x: Tensor) -> list[Factor]:
        """The gradient of readout @ f in all trained parameters."""
        products = structured_factors(network, readout, x, self.layers) if self.layers else []
        if not self.rest:
            return products
        return products + (jacobian_factors if self.batched else looped_factors)(network, readout, x, set(self.rest))


def proved_way(
    network: nn.Module,
    readout: Float[Tensor, "rows outputs"],
    x1: Tensor,
    x2: Tensor | None,
    *,
    structured: bool,
) -> Way:
    """The fastest way that is right at some of the points of both sets. Warns SlowerMethod, raises InvalidArgument."""
    some = [x[torch.linspace(0, len(x) - 1, min(POINTS, len(x))).round().long()] for x in (x1, x2) if x is not None]
    x = torch.cat(some)
    layers = claimed(network) if structured else {}
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    result, calls = noted(network, layers, x)
    _require_separate(network, x, result)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(len(x), len(readout), generator=generator, dtype=torch.float64).to(result)
    exact = dict(zip(trained, _gradients(result, list(trained.values()), weights @ readout), strict=True))

    right = {}
    for name, found in weight_gradients(result, calls, layers, readout, weights).items():
        names = [f"{name}.{kind}".removeprefix(".") for kind in ("weight", "bias")]
        own = [exact[parameter] for parameter in names if parameter in exact]
        if len(own) == len(found) and all(_agree(a, b) for a, b in zip(found, own, strict=True)):
            right[name] = layers[name]
    wrong = sorted(layers.keys() - right.keys())
    if wrong:
        _warn(
            f"the product form of the gradient does not hold for {', '.join(repr(name) for name in wrong)} in this "
            "network (weights used outside their layer, an activation in place, a compiled part?): Jacobians instead"
        )
    claimed_names = {f"{name}.{kind}".removeprefix(".") for name in right for kind in ("weight", "bias")}
    rest = {name: exact[name] for name in trained if name not in claimed_names}
    return Way(right, frozenset(rest), not rest or _batched_is_right(network, readout, x, weights, rest))


def _require_separate(network: nn.Module, x: Tensor, result: Tensor) -> None:
    with torch.no_grad():
        alone = torch.cat([network(x[i : i + 1].clone()) for i in {0, len(x) - 1}])
    if not _agree(alone, result.detach()[list({0, len(x) - 1})]):
        raise InvalidArgument(
            "network must map every point by itself; here a point's output depends on its batch or on chance"
        )


def _gradients(result: Tensor, parameters: list[nn.Parameter], direction: Tensor) -> list[Tensor]:
    try:
        found = torch.autograd.grad(result, parameters, direction, retain_graph=True, allow_unused=True)
    except RuntimeError as problem:
        raise InvalidArgument(
            f"network must have a derivative in its trained parameters that torch can take ({problem!s:.200}); "
            "see whether its forward runs under no_grad, detaches, or was built in inference mode"
        ) from problem
    return [
        torch.zeros_like(p) if gradient is None else gradient for p, gradient in zip(parameters, found, strict=True)
    ]


def _batched_is_right(
    network: nn.Module, readout: Tensor, x: Tensor, weights: Tensor, exact: dict[str, Tensor]
) -> bool:
    """Whether vmap follows the network to the gradients that the plain reverse pass finds; warns where not."""
    found: dict[str, Tensor] = {name: torch.zeros_like(gradient) for name, gradient in exact.items()}
    size = max(1, BATCHED_FLOATS // (len(readout) * sum(gradient.numel() for gradient in exact.values())))
    try:
        for points, share in zip(x.split(size), weights.split(size), strict=True):
            factors = jacobian_factors(network, readout, points, set(exact))
            for name, factor in zip(sorted(exact), factors, strict=True):
                found[name] += torch.einsum("nr,nrc->c", share, factor.deltas[..., 0]).view_as(found[name])
        reason = "" if all(_agree(found[name], exact[name]) for name in exact) else "it gives other gradients"
    except Exception as problem:  # torch raises what it likes where it cannot follow
        reason = f"{type(problem).__name__}: {problem!s:.120}"
    if reason:
        _warn(f"torch.func cannot follow this network ({reason}): gradients are taken point by point")
    return not reason


def _agree(found: Tensor, exact: Tensor) -> bool:
    """Equal up to ten times the square root of the precision, in norm."""
    tolerance = 10 * torch.finfo(exact.dtype).eps ** 0.5
    return bool((found.reshape(exact.shape) - exact).norm() <= tolerance * torch.maximum(found.norm(), exact.norm()))


def _warn(message: str) -> None:
    warnings.warn(f"empirical_ntk: {message}", SlowerMethod, stacklevel=5)


def normal_input(name: str, x: Tensor, network: nn.Module) -> Tensor:
    """The points in the dtype of the network, without a tape. Raises InvalidArgument where that would round them."""
    floating = {t.dtype for t in chain(network.parameters(), network.buffers()) if t.is_floating_point()}
    # a tensor of inference mode cannot be part of a tape, its copy can
    x = x.clone() if x.is_inference() else x.detach()
    if not x.is_floating_point() or len(floating) != 1 or x.dtype in floating:
        return x
    (dtype,) = floating
    if torch.promote_types(x.dtype, dtype) != dtype:
        raise InvalidArgument(
            f"{name} must have the dtype of the network, {dtype}; got {x.dtype}: pass {name}.to(dtype)"
        )
    return x.to(dtype)
