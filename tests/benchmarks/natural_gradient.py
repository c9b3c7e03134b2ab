"""Natural gradients against quasi-Newton methods: errors of the same networks after the same processor time.

Run `python tests/benchmarks/natural_gradient.py`; writes results/natural_gradient.json next to this file.

Deep Ritz: -Lap u + pi^2 u = f in five dimensions, 128 units, 1500 steps of Adam in float64; every method goes on from
there for 12 s of processor time on the same Sobol sample of twenty points a weight, seeds 0 and 7. Relative L2 and
gradient errors. Physics-informed networks: Burgers, Lotka-Volterra and Poisson's equation as in discovery.py, 300 steps
of Adam and then the method, 20 s in all, seed 0. Relative L2 errors. The steps made stand beside them.
"""

import copy
import time
import warnings
from collections.abc import Callable

import discovery
import torch
from interleaved import run

from limitlab.discovery import pinn
from limitlab.discovery import variational as v
from limitlab.experiments.discovery.deep_ritz import GRAM_ROWS_A_WEIGHT, POINTS_A_WEIGHT, RitzSettings, energy_of
from limitlab.training import Recipe, descent, fit, fixed

METHODS = ("natural_gradient", "lbfgs", "ssbfgs", "ssbroyden")
TITLES = {"natural_gradient": "ours, natural gradient"}
RITZ_SECONDS, PINN_SECONDS = 12.0, 20.0
MANY = 10**6


def trained_for(seconds: float, model: torch.nn.Module, recipe: Recipe) -> int:
    """Steps made in so much processor time."""
    begun, steps = time.process_time(), 0
    with warnings.catch_warnings():
        # a phase that ends at its minimum says so
        warnings.simplefilter("ignore")
        for progress in fit(model, recipe, device="cpu"):
            steps = progress.step
            if time.process_time() - begun > seconds:
                break
    return steps


def ritz(seed: int, dimension: int = 5, width: int = 128) -> Callable[[int], dict]:
    """A row of deep Ritz."""

    def measured(rounds: int) -> dict:
        energy, target = energy_of(RitzSettings()), v.cosines(dimension)
        loss = v.ritz_loss(energy, v.manufactured(energy, target))
        network = v.TwoLayer(dimension, width, seed=seed, dtype=torch.float64)
        list(fit(network, v.ritz_recipe(loss, v.CubePoints(dimension, 1000, seed=seed, dtype=torch.float64))))
        weights = sum(p.numel() for p in network.parameters())
        points = v.CubePoints(dimension, POINTS_A_WEIGHT * weights, "sobol", seed=seed, dtype=torch.float64)
        sample = fixed(**points.batch(0))
        gram = v.ritz_gram(energy, points=-(-GRAM_ROWS_A_WEIGHT * weights // (dimension + 1)))
        rows = {"Adam": errors(network, energy, target)}
        for method in METHODS:
            copied = copy.deepcopy(network)
            matrix = gram if method == "natural_gradient" else None
            steps = trained_for(RITZ_SECONDS, copied, descent(loss, sample, MANY, 1.0, optimizer=method, gram=matrix))
            rows[method] = {**errors(copied, energy, target), "steps": steps}
            print(f"deep Ritz, seed {seed}: {method} {rows[method]}", flush=True)
        return stored(f"deep Ritz, seed {seed}", RITZ_SECONDS, rows)

    return measured


def stored(name: str, seconds: float, rows: dict[str, dict[str, float]]) -> dict[str, object]:
    """The row of all methods' errors and steps."""
    columns = {key: {TITLES.get(method, method): row[key] for method, row in rows.items() if key in row} for key in
               ("l2", "gradient", "steps")}  # fmt: skip
    kept = {"gradient_errors": columns["gradient"], "outer_steps": columns["steps"], "processor_seconds": seconds}
    return {"name": name, "errors": columns["l2"], "error_of": "relative L2", **kept}


def errors(network: torch.nn.Module, energy: v.Energy, target: v.Target) -> dict[str, float]:
    measured = v.ritz_errors(network, energy, target)
    return {name: float(measured[name]) for name in ("l2", "gradient")}


def physics_informed(name: str, make: Callable[[], discovery.Task]) -> Callable[[int], dict]:
    """A row of a physics-informed network."""

    def measured(rounds: int) -> dict:
        rows = {}
        for method in METHODS:
            task = make()
            recipe = pinn.two_phases(task.points, steps=(300, MANY), optimizers=("adam", method))
            steps = trained_for(PINN_SECONDS, task.model, recipe)
            with torch.no_grad():
                error = float((task.model(task.grid) - task.exact).norm() / task.exact.norm())
            rows[method] = {"l2": error, "steps": steps - 300}
            print(f"{name}: {method} {rows[method]}", flush=True)
        return stored(name, PINN_SECONDS, rows)

    return measured


BENCHMARKS = {
    "ritz_0": ritz(0),
    "ritz_7": ritz(7),
    "burgers": physics_informed("Burgers", lambda: discovery.burgers(32, 3)),
    "lotka_volterra": physics_informed("Lotka-Volterra", discovery.lotka_volterra),
    "poisson": physics_informed("Poisson", discovery.poisson),
}

if __name__ == "__main__":
    run("natural_gradient", __doc__, BENCHMARKS, [])
