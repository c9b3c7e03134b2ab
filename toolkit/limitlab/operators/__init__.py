"""Infinite resolution: operators between functions, and the baselines that they must beat.

A model maps (batch, channel, *grid) to (batch, channel, *grid). `OPERATORS` is the table of them, `build` makes one
from settings; the classes can be used directly. Parts of single architectures, which `__all__` does not list, can be
imported from here too.
"""

from limitlab.layers.factorized import Compression
from limitlab.layers.spectral_convolution import SpectralConv
from limitlab.operators.baselines import MeanPredictor, Persistence
from limitlab.operators.catalogue import OPERATORS, build, get, names, points_of
from limitlab.operators.deeponet import DeepONet
from limitlab.operators.deployment import export
from limitlab.operators.fno import FNO
from limitlab.operators.lordnet import Kernels, LordLayer, LordNet, QuadraticLordNet
from limitlab.operators.mgno import Cycle, MgNO, VCycle
from limitlab.operators.multigrid_patching import MultigridPatched, SharedBatches, patch_loss
from limitlab.operators.normalization import Normalized
from limitlab.operators.patches import Patching, seam_error
from limitlab.operators.pod import PODDeepONet
from limitlab.operators.row import Operator, Task, count_parameters
from limitlab.operators.sinenet import ContinuousSineNet, SineNet, sinenet_with_parameters
from limitlab.operators.tfno import TFNO
from limitlab.operators.unet import UNet, unet_with_parameters
from limitlab.operators.waves import Wave

__all__ = [
    "FNO",
    "OPERATORS",
    "TFNO",
    "Compression",
    "Cycle",
    "DeepONet",
    "LordNet",
    "MeanPredictor",
    "MgNO",
    "MultigridPatched",
    "Normalized",
    "Operator",
    "PODDeepONet",
    "Patching",
    "Persistence",
    "SineNet",
    "SpectralConv",
    "Task",
    "UNet",
    "VCycle",
    "Wave",
    "build",
    "count_parameters",
    "export",
    "get",
    "names",
    "patch_loss",
    "points_of",
    "sinenet_with_parameters",
    "unet_with_parameters",
]
