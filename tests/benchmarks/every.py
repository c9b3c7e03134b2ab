"""All benchmarks with a short run, in under a quarter of an hour; then the table of everything stored, and the page.

Run `make bench`, or `python tests/benchmarks/every.py [--minutes 14] [--page reports/benchmarks.html]`.

A benchmark is part of it by its `QUICK`, the options of its short run; each has a process of its own. What others keep
more than a core busy during is printed and not stored. Long searches have their own commands (`discovery_formulas.py`,
`odebench.py`, `natural_gradient.py`, the errors of `discovery.py`), and stand in the table with their dates.
"""

import argparse
import ast
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import page
from table import RESULTS, Entry, entries, printed

FOLDER = Path(__file__).parent


def quick_options(folder: Path = FOLDER) -> dict[str, tuple[str, ...]]:
    """The options of the short run of every benchmark that has one, by its file."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["QUICK"]:
                found[path.name] = ast.literal_eval(node.value)
    return found


def measure(program: Path, options: tuple[str, ...], report: Path, seconds: float) -> str | None:
    """Run a benchmark; what went wrong, or nothing."""
    begun, used = time.monotonic(), processor_seconds()
    command = [sys.executable, str(program), *options, "--report", str(report)]
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    try:
        done = subprocess.run(command, env=environment, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"{program.name}: the time was over after {seconds:.0f} s"
    spent = processor_seconds() - used
    print(f"{program.name}: {time.monotonic() - begun:.0f} s, {spent:.0f} s of processor time", flush=True)
    return f"{program.name} ended with status {done.returncode}" if done.returncode else None


def processor_seconds() -> float:
    """Of children that ended."""
    return sum(os.times()[2:4])


def measured_and_stored(measured: list[Entry], stored: list[Entry]) -> list[Entry]:
    """Rows of this run in the place of the stored ones of their name."""
    fresh = {(entry.suite, entry.work) for entry in measured}
    kept = [entry for entry in stored if (entry.suite, entry.work) not in fresh]
    return sorted([*kept, *measured], key=lambda entry: entry.suite)


def main(words: list[str] | None = None, benchmarks: Path = FOLDER) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=14.0, help="in all; what is left then is not run")
    parser.add_argument("--page", type=Path, default=Path("reports/benchmarks.html"))
    arguments = parser.parse_args(words)
    end, problems = time.monotonic() + 60 * arguments.minutes, []
    with tempfile.TemporaryDirectory() as folder:
        for name, options in quick_options(benchmarks).items():
            print(f"\n{name}", flush=True)
            problem = measure(
                benchmarks / name, options, Path(folder) / f"{Path(name).stem}.json", max(1.0, end - time.monotonic())
            )
            problems += [problem] if problem else []
        print("\n" + printed(measured_and_stored(entries(Path(folder)), entries())))
    page.write(arguments.page)
    print(f"\nthe page of what is stored in {RESULTS}: {arguments.page}", *problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
