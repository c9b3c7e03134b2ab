"""Infinite width: the kernels of wide networks (NNGP, NTK), and the networks that tend to them.

An architecture without a width (`chain`, `mlp`) has kernels (`kernels`), finite networks (`Network`) with kernels of
their own (`empirical_ntk`), and a closed form of its training (`KernelDynamics`).
"""

from limitlab.data.sources.corpus import ContextBatches, Corpus, corpus_of, factorial_corpus, text_corpus
from limitlab.data.sources.digit_task import DigitTask, cross_entropy, digit_task
from limitlab.data.sources.glyphs import Glyphs, glyphs
from limitlab.infinite_width.circle import CircleRegression, circle_regression
from limitlab.infinite_width.embeddings import CBOW, analogy_hits, cbow_loss
from limitlab.infinite_width.few_shot import (
    KernelMachine,
    TaskBatches,
    adapted_accuracy,
    first_order_maml,
    kernel_features,
)
from limitlab.infinite_width.finite.empirical import empirical_ntk
from limitlab.infinite_width.finite.linearization import Linearized, descend
from limitlab.infinite_width.finite.networks import (
    Network,
    NTKConv,
    NTKLinear,
    load_standard,
    standard_learning_rates,
    to_standard,
)
from limitlab.infinite_width.finite.width_study import WidthStudy, decay_fit, slope
from limitlab.infinite_width.limit.activations import ACTIVATIONS, Activation, activation, from_function
from limitlab.infinite_width.limit.architecture import (
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
from limitlab.infinite_width.limit.kernels import Kernels, kernel_function, kernels
from limitlab.infinite_width.limit.pinn import (
    PinnKernel,
    empirical_pinn_kernel,
    identity,
    laplacian,
    limit_pinn_kernel,
)
from limitlab.infinite_width.limit.prediction import (
    IllConditioned,
    KernelDynamics,
    gaussian_process_posterior,
    kernel_regression,
    max_learning_rate,
)
from limitlab.infinite_width.parametrizations.abc import ABC, PARAMETRIZATIONS, REGIMES, parametrization, regime_map
from limitlab.infinite_width.parametrizations.abc_mlp import ABCMLP
from limitlab.infinite_width.parametrizations.coordinate_check import (
    coordinates,
    movement,
    passes,
    width_exponents,
)
from limitlab.infinite_width.parametrizations.digit_networks import digit_networks, standard_network
from limitlab.infinite_width.parametrizations.feature_limit import FeatureLimit, feature_limit
from limitlab.infinite_width.parametrizations.learning_rate_transfer import best_learning_rate, octaves
from limitlab.infinite_width.parametrizations.linear_limit import (
    LinearLimit,
    LinearNetwork,
    linear_convergence,
    relative_distance,
)
from limitlab.infinite_width.parametrizations.mup import Role, mup_groups, mup_init, parameter_roles

__all__ = [
    "ABC",
    "ABCMLP",
    "ACTIVATIONS",
    "CBOW",
    "PARAMETRIZATIONS",
    "REGIMES",
    "Activation",
    "Chain",
    "CircleRegression",
    "ContextBatches",
    "Conv",
    "Corpus",
    "Dense",
    "DigitTask",
    "FeatureLimit",
    "Flatten",
    "GlobalPool",
    "Glyphs",
    "IllConditioned",
    "KernelDynamics",
    "KernelMachine",
    "Kernels",
    "LayerNorm",
    "LinearLimit",
    "LinearNetwork",
    "Linearized",
    "NTKConv",
    "NTKLinear",
    "Network",
    "PinnKernel",
    "Role",
    "Sum",
    "TaskBatches",
    "WidthStudy",
    "activation",
    "adapted_accuracy",
    "analogy_hits",
    "best_learning_rate",
    "cbow_loss",
    "chain",
    "circle_regression",
    "coordinates",
    "corpus_of",
    "cross_entropy",
    "decay_fit",
    "descend",
    "digit_networks",
    "digit_task",
    "empirical_ntk",
    "empirical_pinn_kernel",
    "factorial_corpus",
    "feature_limit",
    "first_order_maml",
    "from_function",
    "gaussian_process_posterior",
    "glyphs",
    "identity",
    "kernel_features",
    "kernel_function",
    "kernel_regression",
    "kernels",
    "laplacian",
    "limit_pinn_kernel",
    "linear_convergence",
    "load_standard",
    "max_learning_rate",
    "mlp",
    "movement",
    "mup_groups",
    "mup_init",
    "octaves",
    "parallel",
    "parameter_roles",
    "parametrization",
    "passes",
    "regime_map",
    "relative_distance",
    "residual",
    "slope",
    "standard_learning_rates",
    "standard_network",
    "text_corpus",
    "to_standard",
    "width_exponents",
]
