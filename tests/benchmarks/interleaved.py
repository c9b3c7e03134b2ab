"""What the benchmarks share: contestants in one process, in turn, ratios taken within a round, and peak memory.

A row of a result file has `name`, and what there is of
  wall_seconds {contestant: s}, ratios {"peer / ours": quartiles},
  errors {contestant: error} with `error_of` (which), largest_difference (of results compared before anything is timed),
  measured (date), load (cores that others kept busy), and facts of its own.
Contestants of this library are named "ours" or "ours, ...". One that stands before "ours" in a pair is no peer but a
bound ("floor"). With a `QUICK`, the options of a short run, a benchmark is part of `make bench`.
"""

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch
from load import SHORTEST, Watch, refusal, warning_before

RESULTS = Path(__file__).parent / "results"
LEAST_ROUNDS = 3


class Share:
    """Seconds that the rounds of a row may take; after that no more begin, but for the least that quartiles need."""

    seconds = math.inf


def interleave(contestants: dict[str, Callable[[], object]], rounds: int, warm: int = 2) -> dict[str, list[float]]:
    """Wall seconds of every contestant in every round; the order turns round from round to round."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    begun = time.perf_counter()
    for index in range(rounds + warm):
        if index >= warm + LEAST_ROUNDS and time.perf_counter() - begun > Share.seconds:
            break
        for name in sorted(contestants, reverse=bool(index % 2)):
            start = time.perf_counter()
            contestants[name]()
            if index >= warm:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def against(seconds: dict[str, list[float]], ours: str, peer: str) -> dict[str, float]:
    """Quartiles over the rounds of peer / ours: above one, we are faster."""
    low, middle, high = statistics.quantiles([p / o for p, o in zip(seconds[peer], seconds[ours], strict=True)], n=4)
    return {"median": middle, "lower_quartile": low, "upper_quartile": high}


def row(name: str, seconds: dict[str, list[float]], pairs: list[tuple[str, str]], **facts: object) -> dict[str, object]:
    """One line of a result file, printed as it is made."""
    ratios = {f"{peer} / {ours}": against(seconds, ours, peer) for ours, peer in pairs}
    shown = ", ".join(f"{pair} {ratio['median']:.2f}" for pair, ratio in ratios.items())
    medians = {contestant: statistics.median(times) for contestant, times in seconds.items()}
    print(f"{name}: {', '.join(f'{k} {1e3 * v:.1f} ms' for k, v in medians.items())}; {shown}", flush=True)
    return {"name": name, "wall_seconds": medians, "ratios": ratios, **facts}


def compared(
    name: str, contestants: dict, pairs: list[tuple[str, str]], rounds: int, warm: int = 2, **facts: object
) -> dict:
    """A row of wall times, with the ratios of processor time of the same rounds, and of the fastest rounds."""
    used: dict[str, list[float]] = {contestant: [] for contestant in contestants}

    def counted(contestant: str) -> Callable[[], None]:
        def call() -> None:
            start = time.process_time()
            contestants[contestant]()
            used[contestant].append(time.process_time() - start)

        return call

    seconds = interleave({contestant: counted(contestant) for contestant in contestants}, rounds, warm)
    used = {contestant: times[-len(seconds[contestant]) :] for contestant, times in used.items()}
    ratios = {f"{peer} / {ours}": against(used, ours, peer) for ours, peer in pairs}
    fastest = {f"{peer} / {ours}": min(seconds[peer]) / min(seconds[ours]) for ours, peer in pairs}
    print("  processor: " + ", ".join(f"{pair} {ratio['median']:.2f}" for pair, ratio in ratios.items()))
    print("  fastest:   " + ", ".join(f"{pair} {ratio:.2f}" for pair, ratio in fastest.items()))
    return row(name, seconds, pairs, processor_ratios=ratios, fastest_ratios=fastest, **facts)


def peak_memory(compute: Callable[[], object], warm: int) -> dict[str, int]:
    """Bytes: growth of the peak resident set over `warm` calls, then the most that the allocator held in one more."""
    resident = peak_resident_set()
    for _ in range(warm):
        compute()
    resident = peak_resident_set() - resident
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        compute()
    held = largest = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            largest = max(largest, held)
    return {"resident_growth_bytes": resident, "allocator_peak_bytes": largest}


def peak_resident_set() -> int:
    """Bytes; ru_maxrss would not do, since a spawned process starts with its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def run(name: str, description: str | None, benchmarks: dict[str, Callable[[int], dict]], packages: list[str]) -> None:
    """The command line of a benchmark: all its rows, or some, each stored as JSON unless others were at work."""
    from importlib.metadata import version

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=math.inf, help="that the rounds of a row may take")
    parser.add_argument("--only", nargs="+", choices=list(benchmarks), default=list(benchmarks))
    parser.add_argument("--output", type=Path, default=RESULTS / f"{name}.json")
    parser.add_argument("--report", type=Path, help="a file for all rows of this run, stored or not")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error(f"--rounds must be 2 or more, for quartiles; got {arguments.rounds}")
    Share.seconds = arguments.seconds
    torch.set_num_threads(1)
    if (warning := warning_before()) is not None:
        print(warning, flush=True)
    # a peer that is not installed keeps the rows, and the version, of the day on which they were measured
    versions = {package: version(package) for package in ("torch", *packages)}
    setting = {"threads": 1, "machine": platform.machine(), "python": platform.python_version()}
    watch = Watch()
    for chosen in arguments.only:
        watch = Watch() if watch.seconds > SHORTEST else watch
        result = benchmarks[chosen](arguments.rounds)
        result |= {"load": watch.others(), "measured": str(date.today())}
        if arguments.report is not None:
            keep(arguments.report, result, versions, setting)
        if (why := refusal(result["name"], result["load"])) is not None:
            print(why, flush=True)
        else:
            keep(arguments.output, result, versions, setting)


def keep(path: Path, result: dict, versions: dict[str, str], setting: dict[str, object]) -> None:
    """Put a row in the place of the one of its name."""
    before = json.loads(path.read_text()) if path.exists() else {}
    others = [old for old in before.get("results", []) if old["name"] != result["name"]]
    record = {
        "versions": before.get("versions", {}) | versions,
        "setting": before.get("setting", {}) | setting,
        "results": [*others, result],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
