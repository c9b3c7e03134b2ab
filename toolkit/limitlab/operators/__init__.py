"""Infinite resolution: operators between functions, and the baselines that they must beat.

A model maps (batch, channel, *grid) to (batch, channel, *grid). `OPERATORS` is the table of them, `build` makes one
from settings; the classes can be used directly.
"""

from limitlab.layers.spectral_convolution import SpectralConv
from limitlab.operators.baselines import MeanPredictor, Persistence
from limitlab.operators.catalogue import OPERATORS, build, get, names, points_of
from limitlab.operators.fno import FNO
from limitlab.operators.lordnet import Kernels, LordLayer, LordNet, QuadraticLordNet
from limitlab.operators.mgno import Cycle, MgNO, VCycle
from limitlab.operators.normalization import Normalized
from limitlab.operators.row import Operator, Task, count_parameters
from limitlab.operators.unet import UNet, unet_with_parameters

__all__ = [
    "FNO",
    "OPERATORS",
    "Cycle",
    "Kernels",
    "LordLayer",
    "LordNet",
    "MeanPredictor",
    "MgNO",
    "Normalized",
    "Operator",
    "Persistence",
    "QuadraticLordNet",
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
