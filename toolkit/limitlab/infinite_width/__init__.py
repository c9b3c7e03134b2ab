"""Infinite width: the kernels of wide networks (NNGP, NTK), and the networks that tend to them.

An architecture without a width (`chain`, `mlp`) has kernels (`kernels`), finite networks (`Network`) with kernels of
their own (`empirical_ntk`), and a closed form of its training (`KernelDynamics`).
"""

from limitlab.infinite_width.activations import ACTIVATIONS, Activation, activation, from_function
from limitlab.infinite_width.architecture import (
    Chain,
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    LayerNorm,
    Sum,
    chain,
    mlp,
    parallel,
    residual,
)
from limitlab.infinite_width.empirical import empirical_ntk
from limitlab.infinite_width.kernels import Kernels, kernel_function, kernels
from limitlab.infinite_width.linearization import Linearized, descend
from limitlab.infinite_width.networks import (
    Network,
    NTKConv,
    NTKLinear,
    load_standard,
    standard_learning_rates,
    to_standard,
)
from limitlab.infinite_width.pinn import (
    PinnKernel,
    empirical_pinn_kernel,
    identity,
    laplacian,
    limit_pinn_kernel,
)
from limitlab.infinite_width.prediction import (
    IllConditioned,
    KernelDynamics,
    gaussian_process_posterior,
    kernel_regression,
    max_learning_rate,
)
from limitlab.infinite_width.width_study import WidthStudy, decay_fit, slope, width_study

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Chain",
    "Conv",
    "Dense",
    "Flatten",
    "GlobalPool",
    "IllConditioned",
    "KernelDynamics",
    "Kernels",
    "LayerNorm",
    "Linearized",
    "NTKConv",
    "NTKLinear",
    "Network",
    "PinnKernel",
    "Sum",
    "WidthStudy",
    "activation",
    "chain",
    "decay_fit",
    "descend",
    "empirical_ntk",
    "empirical_pinn_kernel",
    "from_function",
    "gaussian_process_posterior",
    "identity",
    "kernel_function",
    "kernel_regression",
    "kernels",
    "laplacian",
    "limit_pinn_kernel",
    "load_standard",
    "max_learning_rate",
    "mlp",
    "parallel",
    "residual",
    "slope",
    "standard_learning_rates",
    "to_standard",
    "width_study",
]
