"""The stored results of all benchmarks as one table: work, us, best peer, ratio, error of both, date, load.

A row of a result file is described in `interleaved.py`. Its lines here: one for each of our contestants that has a
peer, beside the fastest of its peers; where the contestants had equal time, one line with the errors reached. Where a
search over many systems is counted, a line says what it found.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
UNKNOWN = "-"


@dataclass(frozen=True)
class Entry:
    """One line of the table; None where a result has no such thing."""

    suite: str
    work: str
    ours: str | None = None
    seconds: float | None = None
    peer: str | None = None
    peer_seconds: float | None = None
    ratio: float | None = None  # above one, we are faster; or of the errors at equal time
    quartiles: tuple[float, float] | None = None
    error: float | None = None
    peer_error: float | None = None
    error_of: str | None = None
    measured: str | None = None
    load: float | None = None

    @property
    def at_equal_time(self) -> bool:
        return self.seconds is None and self.error is not None


def entries(results: Path = RESULTS) -> list[Entry]:
    """Lines of every file of the folder; a file that is no record of results is one line that says so."""
    lines: list[Entry] = []
    for path in sorted(results.glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            record = None
        rows = record.get("results") if isinstance(record, Mapping) else None
        if isinstance(rows, list):
            lines += [entry for row in rows if isinstance(row, Mapping) for entry in of_row(path.stem, row)]
        elif isinstance(record, Mapping) and isinstance(record.get("rates"), list):
            lines += [of_rate(path.stem, rate) for rate in record["rates"] if isinstance(rate, Mapping)]
        else:
            lines.append(Entry(path.stem, "no results to be read in this file"))
    return lines


def of_row(suite: str, row: Mapping) -> Iterator[Entry]:
    """The lines of a row."""
    seconds, errors = (numbers(row.get(key)) for key in ("wall_seconds", "errors"))
    common = {"measured": text(row.get("measured")), "load": number(row.get("load"))}
    work, what = text(row.get("name")) or UNKNOWN, text(row.get("error_of"))
    if not seconds:
        yield at_equal_time(suite, work, errors, number(row.get("processor_seconds")), error_of=what, **common)
        return
    ratios = ((*pair.partition(" / "), given) for pair, given in mapping(row.get("ratios")).items())
    pairs = [(ours, peer, given) for peer, _, ours, given in ratios if is_ours(ours) and not is_ours(peer)]
    if not pairs:
        yield Entry(suite, work, error_of=what, **common)
    for ours in dict.fromkeys(ours for ours, _, _ in pairs):
        peers = {peer: given for mine, peer, given in pairs if mine == ours and peer in seconds}
        if not peers or ours not in seconds:
            yield Entry(suite, work, ours, seconds.get(ours), error=errors.get(ours), error_of=what, **common)
            continue
        best = min(peers, key=seconds.__getitem__)
        difference = number(row.get("largest_difference")) if not errors else None
        yield Entry(
            suite, work, ours, seconds[ours], best, seconds[best], *quartiles(peers[best]),
            error=errors.get(ours), peer_error=errors.get(best) if errors else difference,
            error_of=what if errors else None if difference is None else "difference of the two", **common,
        )  # fmt: skip


def at_equal_time(suite: str, work: str, errors: dict[str, float], limit: float | None, **common) -> Entry:
    """The errors of ours and of the best of the others."""
    ours = min(filter(is_ours, errors), key=errors.__getitem__, default=None)
    peer = min((name for name in errors if not is_ours(name)), key=errors.__getitem__, default=None)
    if limit is not None:
        work = f"{work} ({limit:g} s of processor time)"
    if ours is None or peer is None:
        return Entry(suite, work, ours, error=None if ours is None else errors[ours], **common)
    ratio = errors[peer] / errors[ours] if errors[ours] else None
    return Entry(suite, work, ours, peer=peer, ratio=ratio, error=errors[ours], peer_error=errors[peer], **common)


def of_rate(suite: str, rate: Mapping) -> Entry:
    """A share or a number of systems that were found, in words."""
    facts = [f"{key} {value:.3g}" if number(value) is not None else f"{key} {value}" for key, value in rate.items()
             if isinstance(value, str | int | float)]  # fmt: skip
    counts = numbers(rate.get("found"))
    most = max(counts, key=counts.__getitem__, default=None)
    return Entry(suite, ", ".join(facts if most is None else [*facts, f"found {counts[most]:g} ({most})"]))


def is_ours(name: str) -> bool:
    return name == "ours" or name.startswith("ours, ")


def mapping(value: object) -> Mapping:
    return value if isinstance(value, Mapping) else {}


def number(value: object) -> float | None:
    """A finite number, or None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def numbers(value: object) -> dict[str, float]:
    """What is a finite number, by name."""
    read = {str(name): number(each) for name, each in mapping(value).items()}
    return {name: each for name, each in read.items() if each is not None}


def text(value: object) -> str | None:
    return None if value is None else str(value)


def quartiles(given: object) -> tuple[float | None, tuple[float, float] | None]:
    """Median and quartiles of a ratio, which older rows may lack."""
    read = numbers(given)
    both = ("lower_quartile", "upper_quartile")
    return read.get("median"), tuple(read[key] for key in both) if all(key in read for key in both) else None


HEADER = ("work", "us", "best peer", "ratio", "quartiles", "error of both", "measured", "load")


def cells(entry: Entry) -> tuple[str, ...]:
    """One line in words, as long as `HEADER`."""
    return (
        entry.work,
        joined(entry.ours, entry.seconds),
        joined(entry.peer, entry.peer_seconds),
        UNKNOWN if entry.ratio is None else f"{entry.ratio:.3g}" + (" (errors)" if entry.at_equal_time else ""),
        UNKNOWN if entry.quartiles is None else "{:.2f} to {:.2f}".format(*entry.quartiles),
        errors_of(entry),
        entry.measured or UNKNOWN,
        UNKNOWN if entry.load is None else f"{entry.load:.1f}",
    )


def errors_of(entry: Entry) -> str:
    shown = [f"{error:.1e}" for error in (entry.error, entry.peer_error) if error is not None]
    return " | ".join(shown) + (f", {entry.error_of}" if entry.error_of else "") if shown else UNKNOWN


def joined(name: str | None, seconds: float | None) -> str:
    if name is None:
        return UNKNOWN
    return name if seconds is None else f"{name} {milliseconds(seconds)}"


def milliseconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def printed(lines: Iterable[Entry]) -> str:
    """The table for a terminal, a heading a suite."""
    by_suite: dict[str, list[tuple[str, ...]]] = {}
    for entry in lines:
        by_suite.setdefault(entry.suite, []).append(cells(entry))
    every = [HEADER, *(row for rows in by_suite.values() for row in rows)]
    widths = [min(48, max(len(row[column]) for row in every)) for column in range(len(HEADER))]

    def line(row: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    return "\n".join(
        [line(HEADER), *(part for suite, rows in by_suite.items() for part in ("", f"[{suite}]", *map(line, rows)))]
    )


if __name__ == "__main__":
    print(printed(entries()))
