"""Training step of FNO-2D against neuraloperator 2.0.0: time and peak memory, the same weights and data, interleaved.

Run `python tests/benchmarks/operators.py [--rounds 12]`; writes results/operators.json next to this file.

A step is forward, relative L2 loss, backward and AdamW. Both models start from the same weights and their outputs are
compared before anything is timed. Each round times one step of each, in alternating order, in one process; a ratio is
taken within a round (peer / ours), and the median with the quartiles over rounds is given for wall time and for CPU
time of the process. Peak memory: each model trains three steps in a process of its own (spawned); the figure is the
growth of the peak resident set (VmHWM of Linux) from just before the first step, model and data being there already. A
second figure is exact: the most bytes that torch's CPU allocator held at once in one step, from the profiler's record.
"""

import argparse
import json
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from interleaved import peak_memory
from torch import Tensor, nn

from limitlab.operators.fno import FNO

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
    return {"peer": peer, "ours": ours}


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


def time_steps(n: int, modes: int, rounds: int) -> dict[str, object]:
    u, y = data(n)
    both = models(modes)
    with torch.no_grad():
        difference = float((both["ours"](u) - both["peer"](u)).abs().max())
    if difference > 1e-5:
        raise RuntimeError(f"outputs differ by {difference:.1e}: nothing to compare")
    steps = {name: training_step(model, u, y) for name, model in both.items()}
    wall: dict[str, list[float]] = {name: [] for name in steps}
    processor: dict[str, list[float]] = {name: [] for name in steps}
    for index in range(rounds + 2):
        for name in sorted(steps, reverse=bool(index % 2)):
            start, used = time.perf_counter(), time.process_time()
            steps[name]()
            if index >= 2:
                wall[name].append(time.perf_counter() - start)
                processor[name].append(time.process_time() - used)
    return {
        "largest_output_difference": difference,
        "wall_ratio": ratio(wall),
        "cpu_ratio": ratio(processor),
        "wall_seconds": {name: statistics.median(times) for name, times in wall.items()},
        "cpu_seconds": {name: statistics.median(times) for name, times in processor.items()},
    }


def ratio(times: dict[str, list[float]]) -> dict[str, float]:
    ratios = [peer / ours for peer, ours in zip(times["peer"], times["ours"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"median": middle, "lower_quartile": low, "upper_quartile": high}


def memory_of(name: str, n: int, modes: int, threads: int) -> dict[str, int]:
    torch.set_num_threads(threads)
    u, y = data(n)
    return peak_memory(training_step(models(modes)[name], u, y), warm=3)


def measure_memory(n: int, modes: int, threads: int) -> dict[str, dict[str, int]]:
    results = {}
    for name in ("peer", "ours"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
            results[name] = processes.submit(memory_of, name, n, modes, threads).result()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "operators.json")
    arguments = parser.parse_args()
    import neuralop

    versions = {"python": platform.python_version(), "torch": torch.__version__, "neuraloperator": neuralop.__version__}
    setting = {"batch": BATCH, "width": WIDTH, "rounds": arguments.rounds, "machine": platform.machine()}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    results = []
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for n, modes in CONFIGURATIONS:
            row = {"grid": n, "modes": modes, "threads": threads, **time_steps(n, modes, arguments.rounds)}
            row["peak_memory"] = measure_memory(n, modes, threads)
            results.append(row)
            wall, processor, memory = row["wall_ratio"], row["cpu_ratio"], row["peak_memory"]
            figures = {key: memory["ours"][key] / memory["peer"][key] for key in memory["ours"]}
            print(
                f"{n}x{n} modes {modes} threads {threads}: peer/ours wall {wall['median']:.2f} "
                f"[{wall['lower_quartile']:.2f}, {wall['upper_quartile']:.2f}], cpu {processor['median']:.2f} "
                f"[{processor['lower_quartile']:.2f}, {processor['upper_quartile']:.2f}]; memory ours/peer: resident "
                f"{figures['resident_growth_bytes']:.2f}, allocator {figures['allocator_peak_bytes']:.2f}; "
                f"outputs differ by {row['largest_output_difference']:.1e}",
                flush=True,
            )
            record = {"versions": versions, "setting": setting, "results": results}
            arguments.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
