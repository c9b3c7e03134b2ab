"""Training: one loop, losses on function spaces, learning-rate schedules, checkpoints, run folders, devices.

for progress in training.fit(model, loss, batches, steps=500, learning_rate=3e-3): print(progress)
"""

from limitlab.training import runs, schedules
from limitlab.training.device import device
from limitlab.training.divergence import TrainingDiverged
from limitlab.training.loop import fit
from limitlab.training.losses import operator_loss
from limitlab.training.progress import Progress
from limitlab.training.runs import Run

__all__ = ["Progress", "Run", "TrainingDiverged", "device", "fit", "operator_loss", "runs", "schedules"]
