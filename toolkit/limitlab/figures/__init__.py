"""Pure functions from xarray to plotly figures; importing this registers the template "limitlab" and its dark twin."""

from limitlab.figures.brownian import brownian_refinement, fan_chart, marginals
from limitlab.figures.convergence import convergence_orders, fitted_orders, work_precision
from limitlab.figures.curves import error_against_resolution, error_distribution, training_curves
from limitlab.figures.fields import field_2d, profiles, space_time, triptych
from limitlab.figures.phase import phase_plane, phase_space
from limitlab.figures.sliding import with_slider
from limitlab.figures.solutions import by_method, states_at
from limitlab.figures.spectra import error_spectrum, spectrum
from limitlab.figures.stability import stability_regions
from limitlab.figures.steps import step_errors, step_ladder, step_sizes, step_stiffness
from limitlab.figures.template import DARK, LIGHT, axis_title, register
from limitlab.figures.trajectories import trajectories

register()

__all__ = [
    "DARK",
    "LIGHT",
    "axis_title",
    "brownian_refinement",
    "by_method",
    "convergence_orders",
    "error_against_resolution",
    "error_distribution",
    "error_spectrum",
    "fan_chart",
    "field_2d",
    "fitted_orders",
    "marginals",
    "phase_plane",
    "phase_space",
    "profiles",
    "space_time",
    "spectrum",
    "stability_regions",
    "states_at",
    "step_errors",
    "step_ladder",
    "step_sizes",
    "step_stiffness",
    "training_curves",
    "trajectories",
    "triptych",
    "with_slider",
    "work_precision",
]
