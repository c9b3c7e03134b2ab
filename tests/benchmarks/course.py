"""What the experiments reach at their course size with three seeds, beside what was asked of them.

Run `python tests/benchmarks/course.py [--only darcy_mgno] [--seeds 0 1 2] [--table]`; writes course.json after
every run, leaves out what is there, and prints mean, least and largest of every figure of course_figures.py. A seed
stands for other data and other weights. The best baseline is of the same run.
"""

import argparse
import json
import math
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from course_figures import FIGURES, RUNS, Figure, Run

from limitlab import experiments
from limitlab.atomic import write_atomically
from limitlab.errors import InvalidArgument, one_of

RESULTS = Path(__file__).with_suffix(".json")
SEEDS = (0, 1, 2)


def carried_out(run: Run, seed: int) -> xr.Dataset:
    """The metrics of a run with one training of every model, their `cpu_seconds`, and `gap`, test over training error.

    The training error is the mean loss of the last tenth of the steps, where the learning rate ends near zero.
    """
    experiment = experiments.get(run.experiment)
    settings = experiment.configure("course", seed=seed, seeds=1, device="cpu", **run.options)
    training = experiment.train(settings, only=run.only)
    taken: dict[str, float] = {}
    last = time.process_time()
    for stage in training:
        now = time.process_time()
        taken[stage.model] = taken.get(stage.model, 0.0) + now - last
        last = now
    result = training.result
    assert result is not None
    metrics = result.metrics.isel(seed=0)
    metrics["cpu_seconds"] = "model", [taken.get(name, math.nan) for name in metrics["model"].values]
    losses = [name for name, curve in result.curves.data_vars.items() if curve.attrs["kind"] == "loss"]
    if "relative_l2" in metrics and len(losses) == 1:
        curve = result.curves[losses[0]].isel(seed=0)
        fitted = curve.where(curve["step"] > 0.9 * curve["step"].max()).mean("step")
        at = {"resolution": 0} if "resolution" in metrics.dims else {}
        metrics["gap"] = metrics["relative_l2"].isel(at).mean("sample") / fitted
    return metrics


def commit() -> tuple[str, str]:
    """The commit that is checked out, and its date."""
    shown = subprocess.run(["git", "log", "-1", "--format=%h %cs"], capture_output=True, text=True, check=True)
    number, date = shown.stdout.split()
    return number, date


def records(name: str, seed: int) -> list[dict[str, Any]]:
    """A record for each figure of the run with this seed."""
    begin = time.process_time()
    metrics = carried_out(RUNS[name], seed)
    seconds, (number, date) = round(time.process_time() - begin, 1), commit()
    made = []
    for figure in figures_of(name):
        measured = figure.read(metrics)
        numbers = {"value": measured.value, "ours": measured.ours, "baseline": measured.baseline}
        at = {"run": name, "seed": seed, "figure": figure.name}
        made.append({**at, **numbers, "cpu_seconds": seconds, "commit": number, "committed": date})
    return made


def figures_of(run: str) -> list[Figure]:
    return [figure for figure in FIGURES if figure.run == run]


def read(path: Path) -> list[dict[str, Any]]:
    """The stored records. Raises InvalidArgument for one that is broken, not asked for, or twice there."""
    stored = json.loads(path.read_text()) if path.exists() else []
    asked, seen = {(figure.run, figure.name) for figure in FIGURES}, set()
    for record in stored:
        try:
            key = record["run"], record["figure"], record["seed"]
            numbers = [record["value"], record["ours"], record["cpu_seconds"]]
        except (KeyError, TypeError):
            raise InvalidArgument(f"a record needs run, figure, seed, value, ours, cpu_seconds; got {record}") from None
        if key[:2] not in asked:
            raise InvalidArgument(f"no figure {key[1]!r} of {key[0]!r} is asked for; add it to ASKED or remove it")
        if not isinstance(key[2], int) or not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers):
            raise InvalidArgument(f"seed must be a whole number, value, ours and cpu_seconds finite; got {record}")
        if key in seen:
            raise InvalidArgument(f"figure {key[1]!r} of {key[0]!r} is there twice with seed {key[2]}")
        seen.add(key)
    return stored


def table(stored: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Markdown: a line for each figure that was measured, in the order of ASKED."""
    yield "| run | figure | card | asked | mean | least to largest | ours | best baseline | seeds | CPU s | |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for figure in FIGURES:
        rows = [r for r in stored if (r["run"], r["figure"]) == (figure.run, figure.name)]
        if not rows:
            continue
        values = [row["value"] for row in rows]
        middle = sum(values) / len(values)
        ours, rivals, seconds = (
            [row[key] for row in rows if row[key] is not None] for key in ("ours", "baseline", "cpu_seconds")
        )
        mean_of = [f"{sum(part) / len(part):.3g}" if part else "" for part in (ours, rivals)]
        verdict = "reached" if figure.reached(middle) else "not reached"
        if verdict == "reached" and not all(map(figure.reached, values)):
            verdict += " in the mean"
        seeds = ", ".join(str(seed) for seed in sorted(row["seed"] for row in rows))
        cells = [figure.run, figure.name, figure.card, figure.asked, f"{middle:.3g}",
                 f"{min(values):.3g} to {max(values):.3g}", *mean_of, seeds,
                 f"{sum(seconds) / len(seconds):.0f}", verdict]  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def main(arguments: argparse.Namespace) -> None:
    """Run what is not there yet, and print the table."""
    torch.set_num_threads(1)
    pairs = [(name, seed) for name in arguments.only for seed in arguments.seeds]
    for name, seed in [] if arguments.table else pairs:
        one_of("run", name, RUNS)
        stored = read(arguments.output)
        there = {record["figure"] for record in stored if (record["run"], record["seed"]) == (name, seed)}
        if there >= {figure.name for figure in figures_of(name)}:
            continue
        fresh = records(name, seed)
        # read again: another process may have stored a run meanwhile
        kept = [r for r in read(arguments.output) if (r["run"], r["seed"]) != (name, seed)]
        write_atomically(arguments.output, json.dumps([*kept, *fresh], indent=1) + "\n")
        print("\n".join(table(fresh)), flush=True)
    print("\n".join(table(read(arguments.output))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print what is stored, run nothing")
    main(parser.parse_args())
