import json

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName

WIDTHS = np.array([64, 256, 1024])


def regimes() -> xr.Dataset:
    codes = np.array([[0, 0, 0], [3, 2, 1]])
    return xr.Dataset(
        {"regime": (("c", "a_readout"), codes, {"flag_meanings": "unstable trivial kernel feature"})},
        coords={
            "c": ("c", [-1.0, 0.0], {"long_name": "c (rate)", "units": "1"}),
            "a_readout": ("a_readout", [0.0, 0.5, 1.0], {"long_name": "a of the readout", "units": "1"}),
        },
    )


def check() -> xr.Dataset:
    steps = np.arange(3)
    values = steps[:, None] * WIDTHS[None] ** np.array([0.0, 1.0])[:, None, None]  # (module, step, width)
    return xr.Dataset(
        {"change": (("module", "step", "width"), values, {"long_name": "mean |change of x|", "units": "1"})},
        coords={"module": ["h1", "output"], "step": steps, "width": WIDTHS},
    )


def surface() -> xr.Dataset:
    rates = 2.0 ** np.arange(-8, -3)
    bottoms = np.array([[-5, -6, -7], [-5, -5, -5]])
    losses = 0.1 + 0.01 * (np.log2(rates) - bottoms[..., None]) ** 2
    return xr.Dataset(
        {"loss": (("parametrization", "width", "learning_rate"), losses, {"long_name": "loss", "units": "1"})},
        coords={"parametrization": ["sp", "mup"], "width": WIDTHS, "learning_rate": rates},
    )


def test_every_regime_of_the_plane_has_its_colour_and_its_name():
    figure = figures.regime_plane(regimes())
    heat = figure.data[0]
    np.testing.assert_array_equal(heat.z, regimes()["regime"])
    assert [trace.name for trace in figure.data[1:]] == ["unstable", "trivial", "kernel", "feature"]
    colours = dict(heat.colorscale)
    assert colours[1.0] == figure.data[4].marker.color
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("a of the readout", "c (rate)")


def test_points_of_the_plane_stand_where_they_are():
    points = xr.Dataset({"a_readout": ("point", [0.5]), "c": ("point", [0.0]), "label": ("point", ["mup"])})
    marked = figures.regime_plane(regimes(), points).data[-1]
    assert (list(marked.x), list(marked.y), list(marked.text)) == ([0.5], [0.0], ["mup"])


def test_the_fan_has_a_panel_a_module_and_a_line_a_step_that_moved():
    figure = figures.coordinate_fan(check())
    assert [trace.name for trace in figure.data] == ["step 1", "step 2"] * 2
    np.testing.assert_allclose(figure.data[3].y, 2 * WIDTHS)
    notes = [note.text for note in figure.layout.annotations]
    assert {"h1", "output", "slope 0.00", "slope 1.00"} <= set(notes)
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"


def test_parametrisations_are_rows_and_seeds_are_averaged():
    both = xr.concat([check(), 2 * check()], xr.DataArray(["sp", "mup"], dims="parametrization"))
    seeds = xr.concat([both, 3 * both], "seed")
    figure = figures.coordinate_fan(seeds)
    assert len(figure.data) == 8
    np.testing.assert_allclose(figure.data[-1].y, 2 * 2 * 2 * WIDTHS)
    assert sum(bool(trace.showlegend) for trace in figure.data) == 2


def test_lowest_point_of_every_width_is_ringed():
    figure = figures.learning_rate_curves(surface())
    rings = [trace for trace in figure.data if trace.mode == "markers"]
    np.testing.assert_allclose([ring.x[0] for ring in rings], 2.0 ** np.array([-5, -6, -7, -5, -5, -5]))
    assert [note.text for note in figure.layout.annotations] == ["sp", "mup"]
    assert figure.layout.xaxis.ticktext[0] == "2<sup>-8</sup>"


def test_given_minima_and_missing_losses_are_respected():
    diverged = surface()
    diverged["loss"][0, 2, 4] = np.inf
    given = diverged.assign(
        best_learning_rate=(("width", "parametrization"), np.full((3, 2), 0.01)),
        best_loss=(("width", "parametrization"), np.full((3, 2), 0.2)),
    )
    figure = figures.learning_rate_curves(given)
    rings = [trace for trace in figure.data if trace.mode == "markers"]
    assert {(ring.x[0], ring.y[0]) for ring in rings} == {(0.01, 0.2)}
    assert np.isnan(figure.data[4].y[4])
    assert len(json.loads(figure.to_json())["data"]) == 12


def test_missing_dims_and_names_are_named():
    with pytest.raises(InvalidArgument, match="two dims"):
        figures.regime_plane(regimes().isel(c=0))
    with pytest.raises(InvalidArgument, match="flag_meanings"):
        figures.regime_plane(regimes().assign(regime=regimes()["regime"].drop_attrs()))
    with pytest.raises(InvalidArgument, match="needs the dims"):
        figures.coordinate_fan(check().isel(module=0))
    with pytest.raises(UnknownName, match="did you mean 'change'"):
        figures.coordinate_fan(check(), "chnge")
    with pytest.raises(InvalidArgument, match="needs the dims"):
        figures.learning_rate_curves(surface().isel(parametrization=0))
