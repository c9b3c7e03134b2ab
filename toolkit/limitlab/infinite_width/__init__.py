"""Infinite width: the kernels of wide networks (NNGP, NTK), and the networks that tend to them.

An architecture without a width (`chain`, `mlp`) has kernels (`kernels`), finite networks (`Network`) with kernels of
their own (`empirical_ntk`), and a closed form of its training (`KernelDynamics`).

`__all__` lists what most readers need; all other names of the models can be imported from here too.
"""

from limitlab.data.sources.corpus import ContextBatches, Corpus, corpus_of, factorial_corpus, text_corpus
from limitlab.data.sources.digit_task import DigitTask, cross_entropy, digit_task
from limitlab.data.sources.glyphs import Glyphs, glyphs
from limitlab.infinite_width.circle import CircleRegression, circle_regression
from limitlab.infinite_width.embeddings import (
    CBOW,
    analogy_hits,
    cbow_loss,
    kernel_limit,
    linear_decay,
    mean_loss,
    position_losses,
)
from limitlab.infinite_width.embeddings import finite as finite_cbow
from limitlab.infinite_width.embeddings import infinite as infinite_cbow
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
from limitlab.infinite_width.finite.proof import SlowerMethod
from limitlab.infinite_width.finite.width_study import WidthStudy, decay_fit, slope
from limitlab.infinite_width.fixed_metrics import nearest_accuracy, within_class_whitening, without_components
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
    DivergentRate,
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
    "Dense",
    "KernelDynamics",
    "Linearized",
    "Network",
    "WidthStudy",
    "activation",
    "chain",
    "circle_regression",
    "cross_entropy",
    "decay_fit",
    "descend",
    "digit_task",
    "empirical_ntk",
    "empirical_pinn_kernel",
    "gaussian_process_posterior",
    "kernel_regression",
    "kernels",
    "limit_pinn_kernel",
    "max_learning_rate",
    "mlp",
    "mup_groups",
    "parameter_roles",
    "parametrization",
    "regime_map",
    "slope",
    "width_exponents",
]
