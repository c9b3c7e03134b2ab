"""Training: a recipe, one loop, losses on function spaces, learning-rate schedules, checkpoints, run folders, devices.

recipe = training.Recipe(loss, batches, steps=500, learning_rate=3e-3)
for progress in training.fit(model, recipe): print(progress)
"""

from limitlab.training import growth, runs, schedules
from limitlab.training.batches import Batches, deferred, fixed
from limitlab.training.device import device
from limitlab.training.divergence import TrainingDiverged
from limitlab.training.loaders import loaded
from limitlab.training.loop import fit
from limitlab.training.losses.relative import operator_loss
from limitlab.training.losses.residuals import residual_loss
from limitlab.training.losses.rollouts import rollout, rollout_errors, rollout_loss
from limitlab.training.optimizers import averaged, natural_gradient, quasi_newton, soap
from limitlab.training.phases import PhaseEndedEarly
from limitlab.training.pools import Pooled, pool_batches, pool_loss
from limitlab.training.progress import Progress
from limitlab.training.recipe import Recipe, descent
from limitlab.training.runs import Run
from limitlab.training.streams import seeded, seeds

__all__ = [
    "Batches",
    "PhaseEndedEarly",
    "Pooled",
    "Progress",
    "Recipe",
    "Run",
    "TrainingDiverged",
    "averaged",
    "deferred",
    "descent",
    "device",
    "fit",
    "fixed",
    "growth",
    "loaded",
    "natural_gradient",
    "operator_loss",
    "pool_batches",
    "pool_loss",
    "quasi_newton",
    "residual_loss",
    "rollout",
    "rollout_errors",
    "rollout_loss",
    "runs",
    "schedules",
    "seeded",
    "seeds",
    "soap",
]
