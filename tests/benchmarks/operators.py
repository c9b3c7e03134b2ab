"""Training step of FNO-2D against neuraloperator 2.0.0: time and peak memory, the same weights and data, interleaved.

Run `python tests/benchmarks/operators.py [--rounds 12] [--only 64_16_2 ...]`; writes results/operators.json.

A step is forward, relative L2 loss, backward and AdamW. Both models start from the same weights and their outputs are
compared before anything is timed. Each round times one step of each, in alternating order, in one process; a ratio is
taken within a round (peer / ours), and the median with the quartiles over rounds is given for wall time and for CPU
time of the process. Peak memory: each model trains three steps in a process of its own (spawned); the figure is the
growth of the peak resident set (VmHWM of Linux) from just before the first step, model and data being there already. A
second figure is exact: the most bytes that torch's CPU allocator held at once in one step, from the profiler's record.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import torch
from interleaved import compared, peak_memory, run
from torch import Tensor, nn

from limitlab.operators.fno import FNO

QUICK = ("--rounds", "5", "--only", "64_16_1", "64_16_2")
BATCH, WIDTH = 16, 32
CONFIGURATIONS = ((64, 12), (64, 16), (128, 12), (128, 16))


def copy_weights(ours: FNO, peer: nn.Module) -> None:
    """Copy the weights of a neuralop FNO (same options and ranks) into ours."""

    def linear(target: nn.Module, source: nn.Module) -> None:
        target.weight.copy_(source.weight.squeeze(-1))
        if target.bias is not None:
            target.bias.copy_(source.bias)

    def skip(target: nn.Module | None, source: nn.Module) -> None:
        if hasattr(source, "conv"):
            linear(target, source.conv)
        elif hasattr(source, "weight"):
            target.gate.copy_(source.weight.flatten())

    def spectral(target: nn.Module, source: nn.Module) -> None:
        target.bias.copy_(source.bias.flatten())
        if target.factors is None:
            target.weight.copy_(source.weight.tensor)
            return
        before = [getattr(source.weight, name) for name in ("core", "weights") if hasattr(source.weight, name)]
        for part, factor in zip(target.factors.tensor.parts, [*before, *source.weight.factors], strict=True):
            part.copy_(torch.view_as_real(factor.to(torch.complex64)))

    blocks = peer.fno_blocks
    with torch.no_grad():
        for target, source in ((ours.lifting, peer.lifting), (ours.projection, peer.projection)):
            linear(target.first, source.fcs[0])
            linear(target.second, source.fcs[1])
        for index, block in enumerate(ours.blocks):
            spectral(block.spectral, blocks.convs[index])
            if blocks.fno_skips is not None:
                skip(block.skip, blocks.fno_skips[index])
            if block.channel_mlp is not None:
                linear(block.channel_mlp.first, blocks.channel_mlp[index].fcs[0])
                linear(block.channel_mlp.second, blocks.channel_mlp[index].fcs[1])
                if blocks.channel_mlp_skips is not None:
                    skip(block.channel_mlp_skip, blocks.channel_mlp_skips[index])


def models(modes: int) -> dict[str, nn.Module]:
    import neuralop.models

    torch.manual_seed(0)
    peer = neuralop.models.FNO(n_modes=(modes, modes), in_channels=1, out_channels=1, hidden_channels=WIDTH)
    ours = FNO(1, 1, (modes, modes), width=WIDTH)
    copy_weights(ours, peer)
    return {"neuraloperator": peer, "ours": ours}


def data(n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(BATCH, 1, n, n, generator=generator), torch.randn(BATCH, 1, n, n, generator=generator)


def training_step(model: nn.Module, u: Tensor, y: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        error = (model(u) - y).flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1)
        error.mean().backward()
        optimizer.step()

    return step


def step(n: int, modes: int, threads: int, rounds: int) -> dict[str, object]:
    u, y = data(n)
    both = models(modes)
    with torch.no_grad():
        difference = float((both["ours"](u) - both["neuraloperator"](u)).abs().max())
    if difference > 1e-5:
        raise RuntimeError(f"outputs differ by {difference:.1e}: nothing to compare")
    facts = {"largest_difference": difference, "threads": threads}
    torch.set_num_threads(threads)
    try:
        steps = {name: training_step(model, u, y) for name, model in both.items()}
        name = f"FNO step, {n} x {n}, {modes} modes, {threads} thread{'s' * (threads > 1)}"
        result = compared(name, steps, [("ours", "neuraloperator")], rounds, **facts)
    finally:
        torch.set_num_threads(1)
    # the same on any number of threads
    return result | ({"peak_memory": measure_memory(n, modes, threads)} if threads == 1 else {})


def memory_of(name: str, n: int, modes: int, threads: int) -> dict[str, int]:
    torch.set_num_threads(threads)
    u, y = data(n)
    return peak_memory(training_step(models(modes)[name], u, y), warm=3)


def measure_memory(n: int, modes: int, threads: int) -> dict[str, dict[str, int]]:
    results = {}
    for name in ("neuraloperator", "ours"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
            results[name] = processes.submit(memory_of, name, n, modes, threads).result()
    return results


BENCHMARKS = {
    f"{n}_{modes}_{threads}": partial(step, n, modes, threads) for threads in (1, 2) for n, modes in CONFIGURATIONS
}

if __name__ == "__main__":
    run("operators", __doc__, BENCHMARKS, ["neuraloperator"])
