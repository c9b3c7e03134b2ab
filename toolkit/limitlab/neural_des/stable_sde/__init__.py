"""Latent stochastic equations that a path through data drives, in classes that do not blow up."""

from limitlab.neural_des.stable_sde.driven import PathBatches, known_until, path_of, path_on, path_through
from limitlab.neural_des.stable_sde.dynamics import Architecture, Dynamics
from limitlab.neural_des.stable_sde.heads import NormalisedHead
from limitlab.neural_des.stable_sde.interpolation import SeriesInterpolation, TimeAttention
from limitlab.neural_des.stable_sde.learning import (
    Prediction,
    classification,
    forecasting,
    importance_bound,
    predict,
    until_diverged,
)
from limitlab.neural_des.stable_sde.menus import BOUNDS, CLASSES, DIFFUSIONS, DRIFTS, Kind, title_of
from limitlab.neural_des.stable_sde.model import Activity, StableSDE
from limitlab.neural_des.stable_sde.watched import Diverged, Equation, Visited, solve_watched

__all__ = [
    "BOUNDS",
    "CLASSES",
    "DIFFUSIONS",
    "DRIFTS",
    "Activity",
    "Architecture",
    "Diverged",
    "Dynamics",
    "Equation",
    "Kind",
    "NormalisedHead",
    "PathBatches",
    "Prediction",
    "SeriesInterpolation",
    "StableSDE",
    "TimeAttention",
    "Visited",
    "classification",
    "forecasting",
    "importance_bound",
    "known_until",
    "path_of",
    "path_on",
    "path_through",
    "predict",
    "solve_watched",
    "title_of",
    "until_diverged",
]
