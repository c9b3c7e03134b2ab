"""What the experiments on digits share: settings, networks in SP and muP, and how far a step moves activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import Batched, Ensemble, option
from limitlab.infinite_width.parametrizations.coordinate_check import MakeModel, coordinates, movement
from limitlab.infinite_width.parametrizations.digit_networks import digit_networks
from limitlab.training.recipe import Evaluate, Groups

if TYPE_CHECKING:
    import xarray as xr

PARAMETRIZATIONS = ("sp", "mup")


@dataclass(frozen=True)
class ScalingSettings(Ensemble, Batched):
    """Networks of several widths in several parametrisations."""

    parametrizations: tuple[str, ...] = option(PARAMETRIZATIONS, "parametrisations", choices=PARAMETRIZATIONS)
    widths: tuple[int, ...] = option((64, 128, 256, 512, 1024, 2048), "units of a layer", low=1, high=65_536)
    base_width: int = option(64, "width at which all parametrisations are one", low=1, high=65_536)
    batch_size: int = option(64, "images a step", low=1, high=1797)


@dataclass(frozen=True)
class OptimizerSettings(ScalingSettings):
    """Networks in torch's own layers, which any optimiser can train."""

    optimizer: str = option("adam", "optimiser", choices=("adam", "adamw", "sgd"))

    def networks(self) -> dict[str, tuple[MakeModel, Groups]]:
        """make_model(width, seed) and the optimiser's groups of each parametrisation."""
        # beta_2 of 0.95: 0.999 averages over more steps than these trainings have
        betas: dict[str, Any] = {} if self.optimizer == "sgd" else {"betas": (0.9, 0.95)}
        return {
            kind: digit_networks(kind, base_width=self.base_width, optimizer=self.optimizer, **betas)
            for kind in self.parametrizations
        }


def require_fit(settings: ScalingSettings) -> None:
    """Raise InvalidArgument where there are too few widths to fit a power to."""
    if not settings.parametrizations or len(set(settings.widths)) < 2:
        raise InvalidArgument("parametrizations must not be empty, and widths need two or more to fit a power to")


def measure_movement(probe: Float[Tensor, "points pixels"], model: nn.Module, fresh: nn.Module) -> xr.Dataset:
    """`size` and `change` of every module on these points, against the model as it was built."""
    points = probe.to(next(model.parameters()).device)
    before, after = (coordinates(network, points) for network in (fresh, model))
    return movement({name: x.cpu() for name, x in before.items()}, {name: x.cpu() for name, x in after.items()})


def step_metrics(measure: Callable[[nn.Module, nn.Module], xr.Dataset]) -> Evaluate:
    """What is measured as metrics of a step: `change_h1` ... of the modules, and what else is one number."""

    def evaluate(model: nn.Module, fresh: nn.Module) -> dict[str, float]:
        measured = measure(model, fresh)
        changes = {f"change_{name}": float(measured["change"].sel(module=name)) for name in measured["module"].values}
        return changes | {str(name): float(value) for name, value in measured.items() if value.ndim == 0}

    return evaluate


def fan(result: Result[Any, Any]) -> xr.Dataset:
    """`change` (module, parametrization, width, seed, step) after every step, where the recipe has `step_metrics`."""
    import xarray as xr

    modules = result.metrics["module"].values.tolist()
    curves = result.grid("parametrization", "width", of=result.curves)
    change = xr.concat([curves[f"change_{name}"] for name in modules], xr.Variable("module", modules))
    return xr.Dataset({"change": change.assign_attrs(result.metrics["change"].attrs)})
