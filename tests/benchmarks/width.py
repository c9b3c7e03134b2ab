"""Kernels of wide networks: the analytic recursion against a plain one, the empirical kernel against torch.func's.

Run `python tests/benchmarks/width.py [--rounds 15] [--only kernel_relu ...]`; writes results/width.json.

Analytic: NNGP and NTK of 512 x 512 pairs (one set of points, and two), three hidden layers, float64, against the same
equations written out in torch for this one architecture. Empirical: an MLP 32-512-512-512-1 on 256 points, float64,
against per-sample Jacobians by vmap(jacrev) contracted parameter by parameter, as torch's tutorial on the subject has
it. Results are compared before anything is timed. Peak memory: the most bytes that torch's CPU allocator held at once,
from the profiler's record, and the growth of the peak resident set, each contestant in a process of its own (spawned).
"""

import math
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import torch
from interleaved import interleave, peak_memory, row, run
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from limitlab.infinite_width import Network, empirical_ntk, kernels, mlp

QUICK = ("--rounds", "3")
HIDDEN, POINTS, FEATURES, WIDTH = 3, 512, 32, 512
WEIGHT, BIAS = 2.0, 0.01


def points(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, FEATURES, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def plain_relu(nngp: Tensor, k1: Tensor, k2: Tensor) -> tuple[Tensor, Tensor]:
    scale = torch.sqrt(k1[:, None] * k2[None])
    angle = torch.arccos(torch.clamp(nngp / scale, -1, 1))
    product = scale * (torch.sin(angle) + (math.pi - angle) * torch.cos(angle)) / (2 * math.pi)
    return product, (math.pi - angle) / (2 * math.pi)


def plain_erf(nngp: Tensor, k1: Tensor, k2: Tensor) -> tuple[Tensor, Tensor]:
    q = (1 + 2 * k1)[:, None] * (1 + 2 * k2)[None]
    return 2 / math.pi * torch.arcsin(2 * nngp / torch.sqrt(q)), 4 / math.pi / torch.sqrt(q - 4 * nngp**2)


def plain_recursion(x1: Tensor, x2: Tensor, dual: Callable) -> tuple[Tensor, Tensor]:
    """Both kernels, with the variances of either argument beside them."""
    nngp = ntk = WEIGHT * x1 @ x2.T / x1.shape[1] + BIAS
    k1, k2 = (WEIGHT * x.square().mean(1) + BIAS for x in (x1, x2))
    for _ in range(HIDDEN):
        product, slopes = dual(nngp, k1, k2)
        k1, k2 = (WEIGHT * moment(dual, k) + BIAS for k in (k1, k2))
        nngp = WEIGHT * product + BIAS
        ntk = nngp + WEIGHT * slopes * ntk
    return nngp, ntk


def moment(dual: Callable, k: Tensor) -> Tensor:
    """E[s(u)^2] for u ~ N(0, k)."""
    return k / 2 if dual is plain_relu else 2 / math.pi * torch.arcsin(2 * k / (1 + 2 * k))


def analytic(name: str, dual: Callable, rounds: int) -> dict:
    x, y = points(POINTS), points(POINTS, seed=1)
    architecture = mlp(HIDDEN, name, WEIGHT, BIAS)
    ours, theirs = kernels(architecture, x, y), plain_recursion(x, y, dual)
    difference = float((ours.ntk - theirs[1]).abs().max() / theirs[1].abs().max())
    if difference > 1e-10:
        raise RuntimeError(f"kernels differ by {difference:.1e}: nothing to compare")
    seconds = interleave(
        {
            "ours": lambda: kernels(architecture, x, y),
            "ours, one set": lambda: kernels(architecture, x),
            "plain": lambda: plain_recursion(x, y, dual),
        },
        rounds,
    )
    pairs = [("ours", "plain"), ("ours, one set", "plain")]
    return row(f"kernel_{name}", seconds, pairs, points=POINTS, hidden=HIDDEN, largest_difference=difference)


def jacobian_contraction(network: Network, x: Tensor) -> Tensor:
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def single(weights: dict[str, Tensor], point: Tensor) -> Tensor:
        return functional_call(network, weights, (point.unsqueeze(0),)).squeeze(0)

    jacobians = vmap(jacrev(single), (None, 0))(parameters, x)
    leaves = [jacobian.flatten(2) for jacobian in jacobians.values()]
    return torch.stack([torch.einsum("naf,mbf->nmab", leaf, leaf) for leaf in leaves]).sum(0)


def contestants() -> dict[str, Callable[[], Tensor]]:
    network, x = Network(mlp(HIDDEN, "relu", WEIGHT, BIAS), FEATURES, WIDTH), points(256)
    return {
        "ours, structured": lambda: empirical_ntk(network, x),
        "ours, jacobian": lambda: empirical_ntk(network, x, method="jacobian"),
        "torch.func": lambda: jacobian_contraction(network, x),
    }


def empirical(rounds: int) -> dict:
    every = contestants()
    results = {name: compute() for name, compute in every.items()}
    reference = results["torch.func"]
    difference = max(float((k - reference).abs().max() / reference.abs().max()) for k in results.values())
    if difference > 1e-10:
        raise RuntimeError(f"kernels differ by {difference:.1e}: nothing to compare")
    seconds = interleave(every, min(rounds, 7), warm=1)
    memory = {}
    for name in every:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
            memory[name] = processes.submit(memory_of, name).result()
    print(
        "peak memory:", {name: f"{m['allocator_peak_bytes'] / 2**20:.0f} MiB" for name, m in memory.items()}, flush=True
    )
    pairs = [("ours, structured", "torch.func"), ("ours, jacobian", "torch.func")]
    facts = {"points": 256, "width": WIDTH, "hidden": HIDDEN, "largest_difference": difference, "peak_memory": memory}
    return row("empirical_ntk", seconds, pairs, **facts)


def memory_of(name: str) -> dict[str, int]:
    torch.set_num_threads(1)
    return peak_memory(contestants()[name], warm=1)


BENCHMARKS = {
    "kernel_relu": lambda rounds: analytic("relu", plain_relu, rounds),
    "kernel_erf": lambda rounds: analytic("erf", plain_erf, rounds),
    "empirical_ntk": empirical,
}

if __name__ == "__main__":
    run("width", __doc__, BENCHMARKS, ["limitlab"])
