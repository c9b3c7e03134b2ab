"""Variational problems: energies, descent on them with networks as iterates, deep Ritz, and meters of the Barron norm.

`__all__` lists what most readers need; all other names of the modules can be imported from here too.
"""

from limitlab.discovery.variational.barron import (
    Extrapolated,
    Spectrum,
    barron_norm,
    barron_of,
    frequencies_within,
    greedy_spectrum,
    path_norm,
)
from limitlab.discovery.variational.boosting import Sum, boosted, stage_loss
from limitlab.discovery.variational.descent import (
    Band,
    Descent,
    GridProblem,
    StepTooLarge,
    descend,
    grid_problem,
    largest_curvature,
    plain_step,
)
from limitlab.discovery.variational.dictionary import (
    Dictionary,
    SparseDescent,
    merged,
    semilinear,
    sparse_descent,
    wave_sum,
)
from limitlab.discovery.variational.energies import (
    INSTANCES,
    Energy,
    Instance,
    Target,
    cosines,
    from_function,
    instance,
    manufactured,
)
from limitlab.discovery.variational.gram import ritz_gram
from limitlab.discovery.variational.networks import (
    NETWORKS,
    HardDirichlet,
    Periodic,
    Residual,
    TwoLayer,
    ansatz,
    distance,
)
from limitlab.discovery.variational.path_curve import path_curve
from limitlab.discovery.variational.rates import random_feature_errors, sampled
from limitlab.discovery.variational.ritz import (
    CubePoints,
    evaluation,
    excess_energy,
    ritz_errors,
    ritz_loss,
    ritz_recipe,
)
from limitlab.discovery.variational.rival import grid_rival
from limitlab.discovery.variational.terms import (
    Jet,
    area,
    boltzmann,
    conduction,
    log_cosh,
    power,
    quartic,
    reaction,
)

__all__ = [
    "INSTANCES",
    "Band",
    "CubePoints",
    "Dictionary",
    "Energy",
    "HardDirichlet",
    "Periodic",
    "Residual",
    "StepTooLarge",
    "TwoLayer",
    "ansatz",
    "barron_norm",
    "barron_of",
    "boosted",
    "cosines",
    "descend",
    "from_function",
    "greedy_spectrum",
    "grid_problem",
    "grid_rival",
    "instance",
    "manufactured",
    "merged",
    "path_norm",
    "random_feature_errors",
    "ritz_errors",
    "ritz_loss",
    "semilinear",
    "sparse_descent",
    "wave_sum",
]
