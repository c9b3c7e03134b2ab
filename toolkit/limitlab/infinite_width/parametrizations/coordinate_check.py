"""How far training moves the activations of every layer, against the width: the test of a parametrisation.

Networks of several widths are trained for a few steps on the same batches (the experiment `coordinate_check` does it).
For every module,

    size = mean |x_t|,    change = mean |x_t - x_0|,    both over the entries of its output on fixed points.

Under muP neither depends on the width n: the slopes of log change against log n are zero in every layer at once. A
positive slope explodes with the width, a negative one freezes. Loss curves of one width show nothing of it, and a rate
smaller than the one to train with hides an explosion. Under muP the output's size at the start falls like n^(-1/2):
that is its mean going to zero, no fault, and a readout that starts at zero removes it.

Source: Yang et al., Tensor programs V, arXiv 2203.03466, appendix D.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, one_of
from limitlab.infinite_width.finite.width_study import slope
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray

MakeModel = Callable[[int, int], nn.Module]


@torch.no_grad()
def coordinates(
    model: nn.Module, probe: Float[Tensor, "points *inputs"], modules: Sequence[str] | None = None
) -> dict[str, Tensor]:
    """What each module gives on these points (of its last call), in the order of the calls.

    modules: their names, by default all that have parameters of their own. Raises InvalidArgument, UnknownName.

    >>> list(ll.infinite_width.coordinates(ll.infinite_width.standard_network(8), torch.ones(2, 64)))
    ['h1', 'h2', 'output']
    """
    known = dict(model.named_modules())
    for name in modules or ():
        one_of("module", name, filter(None, known))
    names = modules or [name for name, module in known.items() if any(True for _ in module.parameters(recurse=False))]
    if not names:
        raise InvalidArgument("the model has no module with parameters of its own")
    outputs: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if not isinstance(output, Tensor):
                raise InvalidArgument(f"module {name!r} gives {type(output).__name__}, not a tensor; leave it out")
            outputs[name] = output

        return hook

    handles = [known[name].register_forward_hook(watch(name)) for name in names]
    try:
        model(probe)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def movement(start: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> xarray.Dataset:
    """`size` and `change` (module) of activations against those at the start.

    >>> moved = ll.infinite_width.movement({"h1": torch.zeros(4)}, {"h1": torch.full((4,), -2.0)})
    >>> moved["change"].values.tolist()
    [2.0]
    """
    return labelled(
        size=("module", _means(now[name] for name in start), "mean |x|"),
        change=("module", _means(now[name] - start[name] for name in start), "mean |change of x|"),
        module=("module", list(start), "module"),
    )


def _means(activations: Iterable[Tensor]) -> Tensor:
    # a mean of many small float32 numbers loses digits
    return torch.stack([x.abs().double().mean() for x in activations])


def width_exponents(values: xarray.DataArray) -> xarray.DataArray:
    """The power of the width with which the values grow, their seeds averaged: the dim `width` is fitted away.

    Raises InvalidArgument, naming the place, for an average that is zero, negative or not finite: it has no logarithm.

    >>> growing = ll.labels.labelled(size=("width", [1.0, 4.0, 16.0], "size"), width=("width", [8, 16, 32], "width"))
    >>> round(float(ll.infinite_width.width_exponents(growing["size"])), 3)
    2.0
    """
    import xarray

    if "width" not in values.dims:
        raise InvalidArgument(f"values need the dim 'width'; they have {values.dims}")
    averaged = values.mean("seed") if "seed" in values.dims else values
    fits = (averaged > 0) & np.isfinite(averaged)
    if not bool(fits.all()):
        indices = dict(zip(fits.dims, map(int, np.argwhere(~fits.values)[0]), strict=True))
        at = averaged[indices]
        place = ", ".join(f"{dim} {at[dim].item() if dim in at.coords else index}" for dim, index in indices.items())
        raise InvalidArgument(
            f"values must be positive, as an exponent is a slope of logarithms; got {at.item():g} at {place}: a change "
            "at step 0 is zero, and so is the output of a readout that starts at zero; leave them out"
        )
    fitted = xarray.apply_ufunc(
        slope, averaged["width"], averaged, input_core_dims=[["width"], ["width"]], vectorize=True
    )
    return fitted.rename("exponent").assign_attrs(long_name="power of the width", units="1")


def passes(check: xarray.Dataset, tolerance: float = 0.1) -> xarray.DataArray:
    """Whether each module neither explodes nor freezes: |exponent of change| and exponent of size <= tolerance.

    check: `size` and `change` with the dims width and step, of which the last counts.

    >>> level = ("width step", [[2.0], [2.0]], "level")
    >>> check = ll.labels.labelled(size=level, change=level, width=("width", [8, 16], "width"))
    >>> bool(ll.infinite_width.passes(check))
    True
    """
    last = check.isel(step=-1, drop=True)
    level = abs(width_exponents(last["change"])) <= tolerance
    return (level & (width_exponents(last["size"]) <= tolerance)).rename("passes")
