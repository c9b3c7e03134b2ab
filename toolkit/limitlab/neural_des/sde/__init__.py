"""Neural stochastic differential equations dz = f dt + g dW: as a module, behind data (latent), and as a game (GAN)."""

from limitlab.layers.perceptron import LipSwish
from limitlab.neural_des.sde.adversarial import SDEGAN, clipped, gan_groups, gan_loss
from limitlab.neural_des.sde.batches import SeededBatches
from limitlab.neural_des.sde.girsanov import Divergence, path_divergence
from limitlab.neural_des.sde.latent import Evidence, LatentSDE, evidence_loss
from limitlab.neural_des.sde.marginals import increment_ratio, marginal_distances
from limitlab.neural_des.sde.model import NeuralSDE
from limitlab.neural_des.sde.networks import ComponentwiseField, TimeField

__all__ = [
    "SDEGAN",
    "ComponentwiseField",
    "Divergence",
    "Evidence",
    "LatentSDE",
    "LipSwish",
    "NeuralSDE",
    "SeededBatches",
    "TimeField",
    "clipped",
    "evidence_loss",
    "gan_groups",
    "gan_loss",
    "increment_ratio",
    "marginal_distances",
    "path_divergence",
]
