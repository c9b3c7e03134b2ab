"""How far training moves the activations of every layer, against the width: the test of a parametrisation.

Networks of several widths are trained for a few steps on the same batches. For every module,

    size = mean |x_t|,    change = mean |x_t - x_0|,    both over the entries of its output on fixed points.

Under muP neither depends on the width n: the slopes of log change against log n are zero in every layer at once. A
positive slope explodes with the width, a negative one freezes. Loss curves of one width show nothing of it, and a rate
smaller than the one to train with hides an explosion. Under muP the output's size at the start falls like n^(-1/2):
that is its mean going to zero, no fault, and a readout that starts at zero removes it.

Source: Yang et al., Tensor programs V, arXiv 2203.03466, appendix D.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.infinite_width.finite.width_study import slope
from limitlab.training import fit
from limitlab.training.loop import Batches, Groups, Loss

if TYPE_CHECKING:
    import xarray

MakeModel = Callable[[int, int], nn.Module]
VARIABLES = {"size": "mean |x|", "change": "mean |change of x|"}


def coordinate_check(
    make_model: MakeModel,
    widths: Sequence[int],
    *,
    loss: Loss,
    batches: Batches,
    probe: Float[Tensor, "points *inputs"],
    learning_rate: float,
    steps: int = 3,
    seeds: Sequence[int] = (0,),
    optimizer: str = "adam",
    groups: Groups | None = None,
    modules: Sequence[str] | None = None,
) -> xarray.Dataset:
    """`size` and `change` with the dims (module, width, step, seed), steps 0 .. steps.

    make_model(width, seed) gives a fresh network. loss, batches, optimizer and groups are those of `fit`; no weight
    decay but what the groups ask for. probe: the points on which the modules are looked at. modules: their names,
    all that own parameters by default. Raises InvalidArgument; TrainingDiverged where the rate is too high.
    """
    import xarray

    if len(widths) == 0 or len(seeds) == 0:
        raise InvalidArgument("widths and seeds must hold a number or more")
    for width in widths:
        check_number("a width", width, low=1, integer=True)
    check_number("steps", steps, low=1, integer=True)
    rows = []
    for width in widths:
        columns = []
        for seed in seeds:
            model = make_model(width, seed)
            start = coordinates(model, probe, modules)
            measured = [movement(start, start)]
            training = fit(
                model,
                loss,
                batches,
                steps=steps,
                learning_rate=learning_rate,
                weight_decay=0.0,
                schedule="constant",
                optimizer=optimizer,
                groups=groups,
                device=probe.device.type,
                seed=seed,
            )
            measured += [movement(start, coordinates(model, probe, modules)) for _ in training]
            columns.append(xarray.concat(measured, "step"))
        rows.append(xarray.concat(columns, "seed"))
    labels = {
        "width": ("width", list(widths), {"long_name": "width", "units": "1"}),
        "step": ("step", range(steps + 1), {"long_name": "training step", "units": "1"}),
        "seed": ("seed", list(seeds), {"long_name": "seed", "units": "1"}),
    }
    return xarray.concat(rows, "width").assign_coords(labels).transpose("module", "width", "step", "seed")


@torch.no_grad()
def coordinates(
    model: nn.Module, probe: Float[Tensor, "points *inputs"], modules: Sequence[str] | None = None
) -> dict[str, Tensor]:
    """What each module gives on these points (of its last call), in the order of the calls."""
    known = dict(model.named_modules())
    for name in modules or ():
        if name not in known:
            raise unknown_name("module", name, filter(None, known))
    names = modules or [name for name, module in known.items() if any(True for _ in module.parameters(recurse=False))]
    if not names:
        raise InvalidArgument("the model has no module with parameters of its own")
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if not isinstance(output, Tensor):
                raise InvalidArgument(f"module {name!r} gives {type(output).__name__}, not a tensor; leave it out")
            seen[name] = output

        return hook

    handles = [known[name].register_forward_hook(watch(name)) for name in names]
    try:
        model(probe)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def movement(start: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> xarray.Dataset:
    """`size` and `change` (module) of activations against those at the start."""
    import xarray

    values = {
        "size": [now[name].abs().double().mean() for name in start],
        "change": [(now[name] - start[name]).abs().double().mean() for name in start],
    }
    return xarray.Dataset(
        {
            name: ("module", torch.stack(column).cpu().numpy(), {"long_name": VARIABLES[name], "units": "1"})
            for name, column in values.items()
        },
        coords={"module": list(start)},
    )


def width_exponents(values: xarray.DataArray) -> xarray.DataArray:
    """The power of the width with which the values grow, their seeds averaged: the dim `width` is fitted away."""
    import xarray

    if "width" not in values.dims:
        raise InvalidArgument(f"values need the dim 'width'; they have {values.dims}")
    averaged = values.mean("seed") if "seed" in values.dims else values
    fitted = xarray.apply_ufunc(
        slope, averaged["width"], averaged, input_core_dims=[["width"], ["width"]], vectorize=True
    )
    return fitted.rename("exponent").assign_attrs(long_name="power of the width", units="1")


def passes(check: xarray.Dataset, tolerance: float = 0.1) -> xarray.DataArray:
    """Whether each module neither explodes nor freezes: |exponent of change| and exponent of size <= tolerance.

    check: of `coordinate_check`; both are taken after its last step.
    """
    last = check.isel(step=-1, drop=True)
    kept = abs(width_exponents(last["change"])) <= tolerance
    return (kept & (width_exponents(last["size"]) <= tolerance)).rename("passes")
