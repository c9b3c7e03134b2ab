"""Training step of a tensorised FNO against neuraloperator's and against the dense FNO, the same data, interleaved.

Run `python tests/benchmarks/tensorized.py [--rounds 15] [--only tucker]`; writes results/tensorized.json.

64 x 64 points, batch 16, width 32, 16 modes, 4 layers; a tenth of the dense spectral weights. Ours and the peer's have
equal ranks and the same weights, and their outputs are compared before anything is timed. The peer applies its factors
in turn ("factorized", the default of its models), or writes the tensor down first ("reconstructed", that of its layer):
both are timed. A step is forward, relative L2 loss, backward and AdamW. Peak memory: each in a process of its own.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import torch
from interleaved import interleave, peak_memory, row, run
from operators import BATCH, WIDTH, copy_weights, data, training_step
from torch import nn

from limitlab.operators import FNO, TFNO, Compression, count_parameters

QUICK = ("--rounds", "3", "--only", "tucker")
POINTS, MODES, RANK = 64, 16, 0.1
WAYS = ("factorized", "reconstructed")


def models(name: str) -> dict[str, nn.Module]:
    import neuralop.models

    torch.manual_seed(0)
    ours = TFNO(1, 1, (MODES, MODES), width=WIDTH, compression=Compression(name, RANK))
    ranks = ours.blocks[0].spectral.factors.tensor.ranks
    rank = {"cp": ranks[0], "tucker": ranks, "tt": (1, *ranks, 1)}[name]
    shape = {"n_modes": (MODES, MODES), "in_channels": 1, "out_channels": 1, "hidden_channels": WIDTH}
    first, second = (neuralop.models.TFNO(**shape, factorization=name, rank=rank, implementation=way) for way in WAYS)
    second.load_state_dict(first.state_dict())
    copy_weights(ours, first)
    return {
        "ours": ours,
        "neuraloperator": first,
        "neuraloperator, reconstructed": second,
        "ours, dense": FNO(1, 1, (MODES, MODES), width=WIDTH),
    }


def step(name: str, rounds: int) -> dict[str, object]:
    u, y = data(POINTS)
    contestants = models(name)
    with torch.no_grad():
        outputs = {key: model(u) for key, model in contestants.items() if key != "ours, dense"}
    difference = max(float((outputs["ours"] - output).abs().max()) for output in outputs.values())
    if difference > 1e-4:
        raise RuntimeError(f"outputs differ by {difference:.1e}: nothing to compare")
    seconds = interleave({key: training_step(model, u, y) for key, model in contestants.items()}, rounds)
    tensor = contestants["ours"].blocks[0].spectral.factors.tensor
    facts = {
        "ranks": tensor.ranks,
        "fraction": tensor.fraction,
        "parameters": {key: count_parameters(model) for key, model in contestants.items()},
        "largest_difference": difference,
        "least_seconds": {key: min(times) for key, times in seconds.items()},
        "peak_memory": {key: memory(name, key) for key in contestants},
    }
    title = f"{name}, {POINTS} x {POINTS}, batch {BATCH}, width {WIDTH}, {MODES} modes"
    return row(title, seconds, [("ours", key) for key in contestants if key != "ours"], **facts)


def memory(name: str, contestant: str) -> dict[str, int]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        return processes.submit(memory_of, name, contestant).result()


def memory_of(name: str, contestant: str) -> dict[str, int]:
    torch.set_num_threads(1)
    u, y = data(POINTS)
    return peak_memory(training_step(models(name)[contestant], u, y), warm=2)


BENCHMARKS = {name: partial(step, name) for name in ("tucker", "cp", "tt")}

if __name__ == "__main__":
    run("tensorized", __doc__, BENCHMARKS, ["neuraloperator"])
