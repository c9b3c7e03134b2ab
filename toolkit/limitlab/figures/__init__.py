"""Pure functions from xarray to plotly figures; importing this registers the template "limitlab" and its dark twin."""

from limitlab.figures.curves import error_against_resolution, error_distribution, training_curves
from limitlab.figures.fields import field_2d, profiles, space_time, triptych
from limitlab.figures.sliding import with_slider
from limitlab.figures.spectra import error_spectrum, spectrum
from limitlab.figures.template import DARK, LIGHT, axis_title, register

register()

__all__ = [
    "DARK",
    "LIGHT",
    "axis_title",
    "error_against_resolution",
    "error_distribution",
    "error_spectrum",
    "field_2d",
    "profiles",
    "space_time",
    "spectrum",
    "training_curves",
    "triptych",
    "with_slider",
]
