"""`limitlab weights`: the trained models that ship, trained again where their experiment has changed."""

from __future__ import annotations

import argparse
from pathlib import Path

from limitlab.errors import one_of


def ship(options: argparse.Namespace) -> int:
    """Make the models of these names; without names, those that are missing or outdated. Prints a line for each."""
    from tqdm import tqdm

    from limitlab import weights

    place = Path(options.folder) if options.folder else None
    # all of them before the first training
    named = [one_of("weights", name, weights.ROWS) for name in options.names]
    for name in named or weights.ROWS:
        if not named and name in weights.names(place) and not weights.outdated(name, place):
            print(f"{name}: as its experiment is today")
            continue
        with tqdm(desc=name, unit="step") as bar:
            made = weights.make(name, place, lambda stage, bar=bar: bar.update(1))  # type: ignore[misc]
        print(f"{name}: {made.metric} {made.value:.4g}, {made.seconds:.0f} CPU seconds, stored as {made.stored}")
    return 0
