"""Pure functions from xarray to plotly figures; importing this registers the template "limitlab" and its dark twin.

`__all__` lists the figures that any study may draw. Those of a single system, and what helps to draw one, can be
imported from here too.
"""

from limitlab.figures.fields.fields import field_2d, profiles, space_time, triptych
from limitlab.figures.fields.side_by_side import side_by_side
from limitlab.figures.fields.spectra import error_spectrum, spectrum
from limitlab.figures.fronts import pareto_front
from limitlab.figures.lines import lines
from limitlab.figures.sketch import Sketch, drawing, vertical_line
from limitlab.figures.sliding import with_slider
from limitlab.figures.solves.brownian import brownian_refinement, fan_chart, marginals
from limitlab.figures.solves.convergence import convergence_orders, fitted_orders, work_precision
from limitlab.figures.solves.observed import class_paths, observed
from limitlab.figures.solves.phase import phase_plane, phase_space
from limitlab.figures.solves.solutions import by_method, states_at
from limitlab.figures.solves.stability import stability_regions
from limitlab.figures.solves.steps import step_errors, step_ladder, step_sizes, step_stiffness
from limitlab.figures.solves.trajectories import trajectories
from limitlab.figures.template import DARK, LIGHT, axis_title, register
from limitlab.figures.training import error_against_resolution, error_distribution, training_curves
from limitlab.figures.variational.descent import dimension_costs, mesh_independence, sample_energies
from limitlab.figures.widths.embeddings import accuracy_against_width, embedding_map
from limitlab.figures.widths.kernels import eigenvalue_decay, kernel_heatmaps, pinn_spectra
from limitlab.figures.widths.parametrization import coordinate_fan, learning_rate_curves, regime_plane
from limitlab.figures.widths.width import dying_modes, ensemble_functions, kernel_slices, width_laws, width_slopes

register()

__all__ = [
    "brownian_refinement",
    "convergence_orders",
    "eigenvalue_decay",
    "ensemble_functions",
    "error_against_resolution",
    "error_distribution",
    "error_spectrum",
    "fan_chart",
    "field_2d",
    "kernel_heatmaps",
    "lines",
    "marginals",
    "pareto_front",
    "phase_plane",
    "phase_space",
    "profiles",
    "side_by_side",
    "space_time",
    "spectrum",
    "stability_regions",
    "step_errors",
    "step_ladder",
    "step_sizes",
    "step_stiffness",
    "training_curves",
    "trajectories",
    "triptych",
    "width_laws",
    "work_precision",
]
