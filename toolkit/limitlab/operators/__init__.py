"""Infinite resolution: operators between functions, and the baselines that they must beat.

A model maps (batch, channel, *grid) to (batch, channel, *grid). `OPERATORS` is the table of them, `build` makes one
from settings; the classes can be used directly.
"""

from limitlab.layers.spectral_convolution import SpectralConv
from limitlab.operators.baselines import MeanPredictor, Persistence
from limitlab.operators.catalogue import OPERATORS, build, get, names, points_of
from limitlab.operators.deeponet import DeepONet
from limitlab.operators.fno import FNO
from limitlab.operators.lordnet import Kernels, LordLayer, LordNet
from limitlab.operators.mgno import Cycle, MgNO, VCycle
from limitlab.operators.normalization import Normalized
from limitlab.operators.pod import PODDeepONet
from limitlab.operators.row import Operator, Task, count_parameters
from limitlab.operators.unet import UNet, unet_with_parameters

__all__ = [
    "FNO",
    "OPERATORS",
    "Cycle",
    "DeepONet",
    "Kernels",
    "LordLayer",
    "LordNet",
    "MeanPredictor",
    "MgNO",
    "Normalized",
    "Operator",
    "PODDeepONet",
    "Persistence",
    "SpectralConv",
    "Task",
    "UNet",
    "VCycle",
    "build",
    "count_parameters",
    "get",
    "names",
    "points_of",
    "unet_with_parameters",
]
