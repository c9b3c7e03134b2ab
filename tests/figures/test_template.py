import json
import subprocess
import sys

import plotly.graph_objects as go
import plotly.io
import pytest
import xarray as xr

from limitlab import figures
from limitlab.figures.template import COLOURWAY, log_ticks, translucent


@pytest.mark.parametrize("name", [figures.LIGHT, figures.DARK])
def test_importing_figures_registers_both_templates(name):
    assert name in plotly.io.templates
    assert tuple(plotly.io.templates[name].layout.colorway) == COLOURWAY


def test_the_twins_differ_in_their_paper():
    papers = {plotly.io.templates[name].layout.paper_bgcolor for name in (figures.LIGHT, figures.DARK)}
    assert len(papers) == 2


def test_every_figure_is_drawn_with_the_template(metrics, log, profiles_1d, maps_2d):
    ours = plotly.io.templates[figures.LIGHT].layout.font.family
    drawn = [
        figures.training_curves(log),
        figures.error_against_resolution(metrics),
        figures.error_distribution(metrics),
        figures.error_spectrum(profiles_1d),
        figures.triptych(profiles_1d.isel(sample=0)),
        figures.triptych(maps_2d.isel(sample=0)),
        figures.field_2d(maps_2d["target"].isel(sample=0)),
        figures.profiles(profiles_1d["target"]),
    ]
    assert {figure.layout.template.layout.font.family for figure in drawn} == {ours}


def test_axis_title_has_the_unit_except_for_pure_numbers():
    array = xr.DataArray([1.0, 2.0], dims="time", name="u", attrs={"long_name": "velocity", "units": "m/s"})
    timed = array.assign_coords(time=("time", [0, 1], {"long_name": "time", "units": "s"}))
    assert figures.axis_title(timed) == "velocity [m/s]"
    assert figures.axis_title(timed, "time") == "time [s]"
    assert figures.axis_title(array, "time") == "time"
    assert figures.axis_title(array.assign_attrs(units="1")) == "velocity"


def test_translucent_keeps_the_colour():
    assert translucent("#0072B2", 0.5) == "rgba(0,114,178,0.5)"


def test_log_ticks_are_finer_below_three_decades():
    few, many = xr.DataArray([0.02, 0.7]).values, xr.DataArray([1e-6, 1.0]).values
    assert {0.02, 0.05, 0.1} <= {round(tick, 9) for tick in log_ticks(few)["tickvals"]}
    assert log_ticks(many)["dtick"] == 1
    assert log_ticks(many**2)["dtick"] == 2


def test_importing_limitlab_does_not_import_plotly():
    code = "import sys, limitlab; print('plotly' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_a_slider_goes_through_all_figures(profiles_1d):
    through = figures.with_slider({str(i): figures.triptych(profiles_1d.isel(sample=i)) for i in range(3)}, "sample")
    assert [step.label for step in through.layout.sliders[0].steps] == ["0", "1", "2"]
    assert list(through.frames[2].data[1].y) == list(profiles_1d["target"].values[2, 0])
    assert isinstance(through, go.Figure)
    assert json.loads(through.to_json())["frames"][1]["name"] == "1"
