"""`limitlab report`, `limitlab sweep`, `limitlab claims` and `limitlab course`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from limitlab import reports
from limitlab.errors import InvalidArgument
from limitlab.reports import notebooks
from limitlab.reports.parameters import parse_sweep, parse_values, read_parameters


def report(options: argparse.Namespace) -> int:
    """Run one notebook; prints what it published and where the report is."""
    path = notebooks.find(options.notebook)
    source = notebooks.read(path)
    values = parse_values(options.parameters, read_parameters(source, path.name))
    if options.smoke:
        values = notebooks.smoke_parameters(source) | values
    result = reports.report(path, values, to=(options.to,), folder=options.folder)
    for name, value in result.results.items():
        print(f"{name} = {value:.5g}" if isinstance(value, float) else f"{name} = {value}")
    print(result.page or result.notebook)
    return 0


def sweep(options: argparse.Namespace) -> int:
    """Run a notebook for a product of parameters; prints where the comparison is. Exit code 1 where a point failed."""
    path = notebooks.find(options.notebook)
    axes = parse_sweep(options.parameters, read_parameters(notebooks.read(path), path.name))
    result = reports.sweep(path, axes, **_cluster(options))
    for point in result.failures:
        named = ", ".join(f"{name}={value}" for name, value in point.parameters.items())
        print(f"limitlab: {named}: {point.failure}", file=sys.stderr)
    print(result.page)
    return 1 if result.failures else 0


def claims(options: argparse.Namespace) -> int:
    """Run a notebook at several seeds; prints its claims there. Exit code 1 where one fails, or a run."""
    path = notebooks.find(options.notebook)
    values = parse_values(options.parameters, read_parameters(notebooks.read(path), path.name))
    held = reports.replicate(path, _seeds(options.seeds), values, **_cluster(options))
    print(held)
    for seed, failure in held.failures.items():
        print(f"limitlab: seed {seed}: {failure}", file=sys.stderr)
    if not held.verdicts and not held.failures:
        print(f"limitlab: {path.name} states no claims", file=sys.stderr)
    return 0 if held.holds else 1


def course(options: argparse.Namespace) -> int:
    """Write the copies of the course; prints where they are."""
    for folder in reports.write_course(options.out).values():
        print(folder)
    return 0


def _cluster(options: argparse.Namespace) -> dict[str, Any]:
    """Where runs are made and kept."""
    return {name: getattr(options, name) for name in ("workers", "scheduler", "folder", "resume")}


def _seeds(text: str) -> int | list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidArgument(f"--seeds must be a number, or seeds separated by commas; got {text!r}") from None
    return numbers if "," in text else numbers[0]
