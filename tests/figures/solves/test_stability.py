import json

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName


def plane(points: int = 81) -> xr.Dataset:
    """|R| of the explicit and of the implicit Euler method on [-3, 3] x [-3, 3]."""
    axis = np.linspace(-3, 3, points)
    z = axis[None] + 1j * axis[:, None]
    with np.errstate(divide="ignore"):
        amplification = np.stack([np.abs(1 + z), 1 / np.abs(1 - z)])
    return xr.Dataset(
        {"amplification": (("method", "imaginary", "real"), amplification)},
        coords={"method": ["euler", "implicit euler"], "real": axis, "imaginary": axis},
    )


def steps() -> xr.Dataset:
    return xr.Dataset(
        {"real": ("step", [-0.5, -1.0, -50.0, np.nan]), "imag": ("step", [0.0, 1.0, 0.0, 0.0])},
        coords={"time": ("step", [0.0, 0.1, 0.2, 0.3], {"long_name": "time", "units": "s"})},
    )


def dots_of(figure):
    return next(trace for trace in figure.data if trace.type == "scatter")


@pytest.mark.parametrize(
    ("place", "name", "stable"),
    [(0, "euler", lambda z: np.abs(1 + z) <= 1), (1, "implicit euler", lambda z: np.abs(1 - z) >= 1)],
)
def test_the_filled_region_is_where_the_method_is_stable(place, name, stable):
    region = figures.stability_regions(plane()).data[place]
    assert region.name == name
    z = region.x[None] + 1j * region.y[:, None]
    edge = np.abs(np.abs(1 + z if place == 0 else 1 - z) - 1) < 1e-3
    np.testing.assert_array_equal((region.z <= 0) | edge, stable(z) | edge)
    # a constraint shades the side on which it does not hold
    assert (region.contours.type, region.contours.operation, region.contours.value) == ("constraint", ">", 0)


def test_a_pole_or_an_undefined_value_is_unstable():
    regions = plane(3)
    regions["amplification"][0, 0, 0], regions["amplification"][0, 1, 1] = np.inf, np.nan
    z = figures.stability_regions(regions).data[0].z
    assert z[0, 0] > 0
    assert z[1, 1] > 0


def test_dots_are_the_steps_inside_coloured_by_time():
    figure = figures.stability_regions(plane(), steps())
    dots = dots_of(figure)
    np.testing.assert_allclose(dots.x, [-0.5, -1.0])
    np.testing.assert_allclose(dots.y, [0.0, 1.0])
    np.testing.assert_allclose(dots.marker.color, [0.0, 0.1])
    assert dots.marker.colorbar.title.text == "time [s]"


def test_dots_outside_of_the_plane_are_counted():
    (note,) = figures.stability_regions(plane(), steps()).layout.annotations
    assert note.text == "1 of 3 dots lie outside"
    assert not figures.stability_regions(plane(), steps().isel(step=[0])).layout.annotations


def test_every_eigenvalue_of_a_step_is_a_dot():
    pairs = xr.Dataset(
        {"real": (("step", "eigenvalue"), [[-1.0, -1.0], [-2.0, -2.0]])}
        | {"imag": (("step", "eigenvalue"), [[0.5, -0.5], [1.0, -1.0]])}
    )
    dots = dots_of(figures.stability_regions(plane(), pairs))
    assert list(dots.y) == [0.5, -0.5, 1.0, -1.0]
    assert list(dots.marker.color) == [0, 0, 1, 1]


def test_no_step_is_no_dot():
    assert len(dots_of(figures.stability_regions(plane(), steps().isel(step=slice(0, 0)))).x) == 0


def test_the_plane_has_equal_axes_and_titles():
    figure = figures.stability_regions(plane().isel(method=0))
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("Re h λ", "Im h λ")
    assert figure.layout.yaxis.scaleanchor == "x"
    assert tuple(figure.layout.xaxis.range) == (-3, 3)
    assert figure.layout.template.layout.colorway[0] == "#0072B2"


def test_regions_on_a_fine_grid_are_thinned():
    figure = figures.stability_regions(plane(601))
    assert max(figure.data[0].z.shape) <= 128
    assert len(json.dumps(json.loads(figure.to_json()))) < 130_000


def test_missing_dims_of_a_region_are_named():
    with pytest.raises(InvalidArgument, match=r"needs the dims \('method', 'imaginary', 'real'\)"):
        figures.stability_regions(plane().rename(real="x"))
    with pytest.raises(UnknownName, match="unknown variable 'imag'"):
        figures.stability_regions(plane(), steps().drop_vars("imag"))
    with pytest.raises(InvalidArgument, match=r"needs the dims \('step',\)"):
        figures.stability_regions(plane(), steps().rename(step="sample"))
