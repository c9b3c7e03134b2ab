"""The record of claims: at which seeds the claims of each lesson were seen to hold, by its code as it is now.

Run `python tests/notebooks/claims.py [LESSON ...] [--seeds 0,7]`, or `make claims`, after the code of a lesson has
changed, and from time to time for all, since the library changes too: lessons run at every seed at the size of their
stored run, and those whose claims hold are written to claims.json. A run of all takes about half an hour.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path

from limitlab import reports
from limitlab.atomic import replacing
from limitlab.reports import notebooks
from limitlab.reports.parameters import read_parameters
from limitlab.reports.replication import stored_verdicts

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
RECORD = Path(__file__).with_suffix(".json")
SEEDS = (0, 7)


def draws_and_claims(path: Path) -> bool:
    """Whether a notebook has a seed, and a stored table of claims."""
    notebook = notebooks.read(path)
    seeded = any(parameter.name == "seed" for parameter in read_parameters(notebook))
    return seeded and bool(stored_verdicts(notebook))


CLAIMING = sorted(
    path.relative_to(NOTEBOOKS).as_posix()
    for path in NOTEBOOKS.rglob("*.ipynb")
    if ".ipynb_checkpoints" not in path.parts and draws_and_claims(path)
)


def digest(name: str) -> str:
    """What tells the code of a lesson from any other."""
    cells = notebooks.read(NOTEBOOKS / name)["cells"]
    code = [notebooks.source(cell) for cell in cells if cell["cell_type"] == "code"]
    return hashlib.sha256("\n\n".join(code).encode()).hexdigest()[:16]


def recorded() -> dict[str, dict]:
    """The record: code and seeds of each lesson."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def keep(name: str, seeds: tuple[int, ...]) -> None:
    """Write down that the claims of a lesson held at these seeds; those of the same code stay."""
    record = recorded()
    before = record.get(name, {})
    known = set(before["seeds"]) if before.get("code") == digest(name) else set()
    record[name] = {"code": digest(name), "seeds": sorted(known | set(seeds))}
    record = {lesson: record[lesson] for lesson in CLAIMING if lesson in record}
    with replacing(RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="as operators/03-fewer-weights.ipynb; all if none")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    options = parser.parse_args()
    seeds, failed = tuple(map(int, options.seeds.split(","))), []
    for name in options.lessons or CLAIMING:
        with tempfile.TemporaryDirectory() as folder:
            replication = reports.replicate(NOTEBOOKS / name, seeds, folder=folder, progress=False)
        if replication.holds:
            keep(name, seeds)
            print(f"{name}: {len(replication.verdicts)} claims hold at seeds {options.seeds}", flush=True)
        else:
            failed.append(name)
            print(f"{name}:\n{replication}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
