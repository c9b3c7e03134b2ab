"""Spectra: at which wavenumbers a prediction errs, beside the band that the operator keeps.

    |u(k)|^2 = sum of |u_m|^2 over the modes m with k - 1/2 <= |m| < k + 1/2,      sum_k |u(k)|^2 = mean of u^2

m counts waves along the domain's longest side; in 2-D and 3-D |m| is the radius (shells). A grid that is not periodic
is read as periodic, as a Fourier layer reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from limitlab.errors import InvalidArgument, check_number
from limitlab.figures.arrays import LINE_PIXELS, SPACE, labels, numbers, thin, variable_of
from limitlab.figures.sketch import Sketch, drawing, note
from limitlab.figures.template import REFERENCE, axis_title, colour, heading, log_ticks, translucent
from limitlab.spaces import Grid, fourier, wavenumbers

if TYPE_CHECKING:
    import xarray as xr


def spectrum(array: xr.DataArray) -> xr.DataArray:
    """Energy |u(k)|^2 at k = 0, 1, .. up to half the points of an axis; dims (..., wavenumber).

    array: dims (..., x[, y[, z]]) in any order; lengths of the domain from the attribute `grid`, else all equal.
    Raises InvalidArgument without a space dim.

    >>> x = 2 * torch.pi * torch.arange(16) / 16
    >>> wave = ll.labels.labelled(u=("x", torch.sin(3 * x), "height"))["u"]
    >>> int(ll.figures.spectrum(wave).argmax("wavenumber"))
    3
    """
    import xarray as xr

    space = [dim for dim in SPACE if dim in array.dims]
    if not space:
        raise InvalidArgument(f"a spectrum needs one of the dims {SPACE}; {array.name or 'the array'} has {array.dims}")
    others = [dim for dim in array.dims if dim not in space]
    array = array.transpose(*others, *space)
    sizes = [array.sizes[dim] for dim in space]
    described = Grid.from_json(array.attrs["grid"]).lengths if "grid" in array.attrs else (1.0,) * len(space)
    grid = Grid.uniform(sizes, lengths=described)
    values = torch.tensor(array.values, dtype=torch.float64)
    power = fourier(values, grid).abs().square()
    # the real transform stores half of the last axis: every column but m = 0 and m = n/2 stands for two modes
    power[..., 1 : (sizes[-1] + 1) // 2] *= 2
    shell = _shells(grid)
    count = int(shell.max()) + 1
    energy = torch.zeros((*power.shape[: len(others)], count), dtype=power.dtype)
    energy.index_add_(-1, shell.flatten(), power.flatten(len(others)))
    unit = array.attrs.get("units", "1")
    result = xr.DataArray(
        energy.numpy(),
        dims=(*others, "wavenumber"),
        coords={
            **{dim: array[dim] for dim in others if dim in array.coords},
            "wavenumber": (
                "wavenumber",
                np.arange(count),
                {"long_name": "wavenumber k, waves per domain", "units": "1"},
            ),
        },
        name="energy",
        attrs={"long_name": "energy", "units": "1" if unit in ("", "1") else f"({unit})²"},
    )
    return result.isel(wavenumber=slice(0, max(sizes) // 2 + 1))


@drawing
def error_spectrum(dataset: xr.Dataset, *, modes: int | None = None, title: str | None = None) -> Sketch:
    """Amplitude |e(k)| of the error, one line a model, beside that of the truth; the kept band is shaded.

    dataset: `target` and `prediction`, dims (sample, channel, x[, y]), `prediction` perhaps with model. Lines are root
    mean squares over samples and channels. modes: Fourier modes that the operator keeps per axis, so |k| <= modes / 2.

    >>> truth = torch.rand(4, 1, 32)
    >>> fields = ll.labels.labelled(
    ...     target=("sample channel x", truth, "height"), prediction=("sample channel x", 1.1 * truth, "height")
    ... )
    >>> figure = ll.figures.error_spectrum(fields, modes=8)
    """
    target, prediction = (variable_of(dataset, name) for name in ("target", "prediction"))
    domain = {"grid": dataset.attrs["grid"]} if "grid" in dataset.attrs else {}
    truth = _amplitude(target.assign_attrs(domain))
    error = _amplitude((prediction - target).assign_attrs({**target.attrs, **domain}))
    if "model" not in error.dims:
        error = error.expand_dims(model=["error of the prediction"])
    figure = Sketch()
    lines = [("truth", truth, REFERENCE, "dot")]
    lines += [
        (name, error.isel(model=index), colour(index), "solid") for index, name in enumerate(labels(error, "model"))
    ]
    for name, line, hue, dash in lines:
        # k = 0 has no place on a log axis
        line = thin(line.isel(wavenumber=slice(1, None)), LINE_PIXELS, "wavenumber")
        trace = dict(
            type="scatter",
            x=line["wavenumber"].values.astype(np.float32),
            y=numbers(line),
            mode="lines",
            name=name,
            line={"color": hue, "dash": dash},
            hovertemplate=f"{name}, k = %{{x}}: %{{y:.3e}}<extra></extra>",
        )
        figure.add([trace])
    highest = int(error["wavenumber"][-1])
    if modes is not None:
        _shade_kept_band(figure, float(check_number("modes", modes, low=1)) / 2, highest)
    figure.update_axes(
        "x",
        type="log",
        title={"text": axis_title(error, "wavenumber")},
        range=[float(np.log10(0.9)), float(np.log10(highest * 1.1))],
        **log_ticks(np.arange(1, highest + 1)),
    )
    figure.update_axes("y", type="log", title={"text": axis_title(error)}, exponentformat="power", dtick=1)
    return figure.update_layout(**heading(title), height=400, showlegend=True)


def _shells(grid: Grid) -> torch.Tensor:
    """Whole number of waves along the longest side, nearest to |m|, of every mode of the real transform."""
    longest = max(grid.lengths)
    squares = sum((k * (longest / (2 * np.pi))) ** 2 for k in wavenumbers(grid))
    # a radius that is half but for rounding belongs to the shell above
    return (torch.as_tensor(squares).sqrt() + 0.5 + 1e-9).floor().long()


def _amplitude(array: xr.DataArray) -> xr.DataArray:
    energy = spectrum(array)
    mean = energy.mean([dim for dim in energy.dims if dim not in ("model", "wavenumber")])
    unit = array.attrs.get("units", "1")
    return (mean**0.5).assign_attrs(long_name="amplitude |û(k)|, |ê(k)|", units=unit)


def _shade_kept_band(figure: Sketch, cutoff: float, highest: int) -> None:
    band = dict(
        type="rect",
        x0=0.5,
        x1=cutoff,
        y0=0,
        y1=1,
        yref="y domain",
        fillcolor=translucent(colour(5), 0.16),
        line={"width": 0},
        layer="below",
        name="kept band",
    )
    figure.add_shapes(band)
    where = {"y": 0, "xanchor": "right", "yanchor": "bottom", "xshift": -4}
    figure.add_annotations(note(float(np.log10(min(cutoff, highest))), f"kept: k ≤ {cutoff:g}", **where))
