"""`limitlab report` and `limitlab sweep`."""

from __future__ import annotations

import argparse
import sys

from limitlab import reports
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
    result = reports.sweep(path, axes, workers=options.workers, scheduler=options.scheduler, folder=options.folder)
    for point in result.failures:
        named = ", ".join(f"{name}={value}" for name, value in point.parameters.items())
        print(f"limitlab: {named}: {point.failure}", file=sys.stderr)
    print(result.page)
    return 1 if result.failures else 0
