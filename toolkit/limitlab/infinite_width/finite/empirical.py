"""The tangent kernel of a finite network at its present weights: K(x, x')_{oq} = sum_p d_p f_o(x) d_p f_q(x').

Three ways to the same numbers. For N points, O outputs and an MLP of depth L and width n:

    method        what it does                                                 time                            memory
    structured    per layer (x . x' s_w^2/n + s_b^2)(delta . delta')           N O L n^2 + N^2 O^2 L n         N O L n
    jacobian      per-sample Jacobians, contracted parameter by parameter      N O L n^2 + N^2 O^2 L n^2       N O L n^2
    ntvp          for every pair a vjp at x', then a jvp at x                  N^2 O L n^2                     L n^2

delta is the gradient of an output in what the layer gives. "structured" knows dense and convolutional layers, ours and
torch's, and takes Jacobians of what else has parameters. Sums run over all trained parameters; no factor 1/P.
Before any of the three is used it is held against plain reverse passes at some of the points, see `proof`.

Source: Novak, Sohl-Dickstein, Schoenholz, Fast finite width neural tangent kernel, arXiv 2206.08720.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.infinite_width.finite.factors import Factor, Part, assemble
from limitlab.infinite_width.finite.proof import normal_input, proved_way
from limitlab.memory import require_memory

Method = Literal["structured", "jacobian", "ntvp"]
Outputs = Literal["full", "trace", "diagonal"]

_CHUNK_BYTES = 2**29


def empirical_ntk(
    network: nn.Module,
    x1: Float[Tensor, "n *inputs"],
    x2: Float[Tensor, "m *inputs"] | None = None,
    *,
    method: Method = "structured",
    outputs: Outputs = "full",
    probes: int | None = None,
    seed: int = 0,
    chunk: int | None = None,
    memory_limit: int | None = None,
) -> Tensor:
    """The kernel between x1 and x2, or among x1, in the dtype of the network.

    outputs: "full" (n, m, outputs, outputs); "diagonal" (n, m, outputs), one output with itself; "trace" (n, m), the
    mean of the diagonal, which is what tends to the scalar kernel of the limit. probes: the trace from that many random
    sign vectors of `seed` instead of every output, without bias. chunk: points whose derivatives are held at once,
    by default what fits into 512 MiB. The network maps (batch, *inputs) to (batch, outputs), sample by sample.
    Warns SlowerMethod where the method would be wrong for this network, and gives the kernel by one that is right.
    Raises InvalidArgument for a network whose samples depend on each other or on chance, no trained parameters, points
    of a wider dtype than the network's, or more memory than is free (`memory_limit` bytes, where given).

    >>> network = ll.infinite_width.Network(ll.infinite_width.mlp(1, "relu", 2.0), inputs=3, width=64)
    >>> ll.infinite_width.empirical_ntk(network, torch.eye(3).double(), outputs="trace").shape
    torch.Size([3, 3])
    """
    for name, value, known in (("method", method, get_args(Method)), ("outputs", outputs, get_args(Outputs))):
        if value not in known:
            raise unknown_name(f"{name} of empirical_ntk", value, known)
    # a compiled network computes what its origin does, whose layers can be seen
    network = getattr(network, "_orig_mod", network)
    _check_network(network)
    if len(x1) == 0 or (x2 is not None and len(x2) == 0):
        raise InvalidArgument("x1 and x2 must hold a point or more")
    chunk = None if chunk is None else int(check_number("chunk", chunk, low=1, integer=True))
    with torch.inference_mode(False):
        first, second = (None if x is None else normal_input(f"x{i}", x, network) for i, x in enumerate((x1, x2), 1))
        assert first is not None
        with torch.no_grad():
            sample = network(first[:1].clone())
        if sample.dim() != 2:
            got = tuple(sample.shape)
            raise InvalidArgument(f"network must map (batch, *inputs) to (batch, outputs); it gives {got}")
        readout = _readout(sample, outputs, probes, seed)
        count = sample.shape[1]
        entries = {"full": count**2, "diagonal": count, "trace": 1}[outputs]
        n, m = len(first), len(first if second is None else second)
        purpose = f"a kernel between {n} and {m} points with {entries} entries a pair"
        require_memory(n * m * entries * sample.element_size() + _CHUNK_BYTES, purpose, sample.device, memory_limit)
        floats = _CHUNK_BYTES // sample.element_size()
        way = proved_way(network, readout, first, second, structured=method == "structured")
        if method == "ntvp" and way.batched:
            trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
            chunk = chunk or max(1, floats // (len(readout) * trained))
            return _by_products(network, readout, first, first if second is None else second, outputs, chunk=chunk)
        return _by_factors(partial(way.factors, network, readout), first, second, outputs, chunk=chunk, floats=floats)


def _by_factors(
    features: Callable[[Tensor], list[Factor]],
    x1: Tensor,
    x2: Tensor | None,
    outputs: Outputs,
    *,
    chunk: int | None,
    floats: int,
) -> Tensor:
    if chunk is None:
        probe = features(x1[:1])
        # two sets of derivatives are alive at once, those of the rows and those of the columns
        fitting = floats // (2 * sum(factor.numel() for factor in probe))
        chunk = max(1, min(fitting, math.isqrt(floats // max(factor.pair_numel() for factor in probe))))

    def parts(x: Tensor) -> list[Part]:
        return [partial(features, points) for points in x.split(chunk)]

    return assemble(parts(x1), None if x2 is None else parts(x2), outputs)


def _by_products(
    network: nn.Module, readout: Tensor, x1: Tensor, x2: Tensor, outputs: Outputs, *, chunk: int
) -> Tensor:
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    moving = {name: parameters.pop(name) for name, p in network.named_parameters() if p.requires_grad}

    def block(left: Tensor, right: Tensor) -> Float[Tensor, "rows rows"]:
        def rows(point: Tensor) -> Callable[[dict[str, Tensor]], Tensor]:
            return lambda changed: (
                readout @ torch.func.functional_call(network, {**parameters, **changed}, (point[None],))[0]
            )

        pull = torch.func.vjp(rows(right), moving)[1]

        def column(direction: Tensor) -> Tensor:
            return torch.func.jvp(rows(left), (moving,), pull(direction))[1]

        return torch.func.vmap(column, out_dims=1)(torch.eye(len(readout)).to(readout))

    left = x1.repeat_interleave(len(x2), 0)
    right = x2.repeat(len(x1), *[1] * (x2.dim() - 1))
    pairs = torch.func.vmap(block, chunk_size=chunk)(left, right)
    kernel = rearrange(pairs, "(n m) o q -> n m o q", n=len(x1))
    if outputs == "full":
        return kernel
    diagonal = kernel.diagonal(dim1=2, dim2=3)
    return diagonal if outputs == "diagonal" else diagonal.mean(-1)


def _readout(sample: Tensor, outputs: Outputs, probes: int | None, seed: int) -> Float[Tensor, "rows outputs"]:
    """The identity, or random signs whose mean square is the identity."""
    count = sample.shape[1]
    if probes is None:
        return torch.eye(count).to(sample)
    if outputs != "trace":
        raise InvalidArgument(f"probes estimate the trace only; outputs must be 'trace', got {outputs!r}")
    rows = int(check_number("probes", probes, low=1, integer=True))
    # on the CPU: the same signs whatever the device
    generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
    # signs, whose estimate of a trace has the least variance among independent entries
    return (2 * torch.randint(2, (rows, count), generator=generator) - 1).to(sample) / math.sqrt(count)


def _check_network(network: nn.Module) -> None:
    if not isinstance(network, nn.Module) or not any(p.requires_grad for p in network.parameters()):
        raise InvalidArgument("network must be a torch.nn.Module with at least one trained parameter")
    for name, module in network.named_modules():
        couples = isinstance(module, nn.modules.batchnorm._BatchNorm)
        random = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
        if module.training and (couples or random):
            raise InvalidArgument(
                f"network must be in eval mode: {name} ({type(module).__name__}) makes a sample depend on "
                f"{'its batch' if couples else 'chance'}"
            )
