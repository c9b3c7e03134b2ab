"""The thirty systems, a row each; installed packages offer more as entry points of `limitlab.systems`."""

from __future__ import annotations

from limitlab.extensions import Catalogue
from limitlab.systems.row import FAMILIES, Paper, System

# fmt: off
SYSTEMS: tuple[System, ...] = (
    System(1, "stable-neural-sde", "Stable neural SDEs", "neural_des", Paper(
        "Stable Neural Stochastic Differential Equations in Analyzing Irregular Time Series Data",
        "Oh, Lim, Kim", "ICLR", 2024, "2402.14989"),
        experiments=("diffusion_menu", "series_classes", "series_interpolation", "stable_sde_motions"),
        notebooks=("neural_des/11-stable-neural-sdes.ipynb", "neural_des/15-what-was-not-measured.ipynb"),
        remark="two of the data sets; interpolation of generated series, on which a linear map is better"),
    System(2, "neural-differential-equations", "Neural ODEs, CDEs and SDEs", "neural_des", Paper(
        "On Neural Differential Equations",
        "Kidger", "DPhil thesis, University of Oxford", 2022, "2202.02435"),
        experiments=("annuli_node", "decaying_latent_ode", "flow_classes", "oscillator_node", "ou_latent_sde",
                     "ou_sde_gan", "spiral_cde"),
        notebooks=("neural_des/08-neural-odes.ipynb", "neural_des/09-neural-cdes.ipynb",
                   "neural_des/10-neural-sdes-and-gans.ipynb",
                   "neural_des/01-steps-and-their-control.ipynb", "neural_des/02-stiffness.ipynb",
                   "neural_des/03-what-a-step-keeps.ipynb", "neural_des/04-gradients-of-solves.ipynb",
                   "neural_des/05-noise-and-two-calculi.ipynb", "neural_des/06-orders-and-steps-with-noise.ipynb",
                   "neural_des/07-gradients-through-noise.ipynb"),
        remark="deep equilibria are system 7"),
    System(3, "ernode", "ERNODE", "neural_des", Paper(
        "Opening the Blackbox: Accelerating Neural Differential Equations by Regularizing Internal Solver Heuristics",
        "Pal, Ma, Shah, Rackauckas", "ICML", 2021, "2105.03918"),
        experiments=("annuli_ernode", "mixture_ernode", "spiral_ernode", "spiral_sde_ernode"),
        notebooks=("neural_des/12-cheap-to-solve.ipynb", "neural_des/14-cheap-digits-and-densities.ipynb"),
        remark="FFJORD on mixtures of normal laws alone; no latent ODE of PhysioNet"),
    System(4, "local-regularization", "Local ERNODE", "neural_des", Paper(
        "Locally Regularized Neural Differential Equations: Some Black Boxes Were Meant to Remain Closed!",
        "Pal, Edelman, Rackauckas", "ICML", 2023, "2303.02262"),
        experiments=("digits_ernode",),
        notebooks=("neural_des/12-cheap-to-solve.ipynb", "neural_des/14-cheap-digits-and-densities.ipynb"),
        remark="shares its lessons with ERNODE; no CIFAR10, no multiscale models"),
    System(5, "mor-neural-ode", "Reduced-order neural ODE", "neural_des", Paper(
        "Accelerating Neural ODEs Using Model Order Reduction",
        "Lehtimäki, Paunonen, Linne", "IEEE TNNLS 35", 2024, "2105.14070"),
        experiments=("digits_reduction",),
        notebooks=("neural_des/13-model-order-reduction.ipynb",)),
    System(6, "prose", "PROSE", "discovery", Paper(
        "PROSE: Predicting Operators and Symbolic Expressions using Multimodal Transformers",
        "Liu, Zhang, Schaeffer", "Neural Networks 180", 2024, "2309.16816")),
    System(7, "homoode", "HomoODE and deep equilibrium models", "neural_des", Paper(
        "Two Sides of The Same Coin: Bridging Deep Equilibrium Models and Neural ODEs via Homotopy Continuation",
        "Ding, Cui, Wang, Shi", "NeurIPS", 2023, "2310.09583")),
    System(8, "mg-tfno", "Fourier neural operator, MG-TFNO", "operators", Paper(
        "Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs",
        "Kossaifi, Kovachki, Azizzadenesheli, Anandkumar", "TMLR", 2024, "2310.00120"),
        experiments=("burgers_fno", "darcy_fno", "darcy_tfno", "navier_stokes_fno", "navier_stokes_patches"),
        notebooks=("operators/01-fourier-neural-operator.ipynb", "operators/03-fewer-weights.ipynb",
                   "operators/04-small-windows.ipynb")),
    System(9, "mgno", "MgNO", "operators", Paper(
        "MgNO: Efficient Parameterization of Linear Operators via Multigrid",
        "He, Liu, Xu", "ICLR", 2024, "2310.19809"),
        experiments=("darcy_mgno", "helmholtz_mgno", "navier_stokes_mgno"),
        notebooks=("operators/02-multigrid-as-a-network.ipynb",)),
    System(10, "deep-conjugate-direction", "Deep conjugate directions", "operators", Paper(
        "A Deep Conjugate Direction Method for Iteratively Solving Linear Systems",
        "Kaneda, Akar, Chen, Trevino Kala, Hyde, Teran", "ICML", 2023, "2205.10763")),
    System(11, "feature-learning", "Feature learning at infinite width", "infinite_width", Paper(
        "Feature Learning in Infinite-Width Neural Networks",
        "Yang, Hu", "ICML", 2021, "2011.14522"),
        experiments=("abc_regimes", "coordinate_check", "learning_rate_transfer", "maml_glyphs", "word2vec_cbow"),
        notebooks=("infinite_width/04-feature-learning.ipynb",
                   "infinite_width/05-word2vec-at-infinite-width.ipynb",
                   "infinite_width/06-maml-at-infinite-width.ipynb"),
        remark="no transformer in the learning-rate transfer"),
    System(12, "neural-integral-equations", "Neural integral equations", "neural_des", Paper(
        "Learning Integral Operators via Neural Integral Equations",
        "Zappala, Fonseca, Caro, Moberly, Higley, Cardin, van Dijk",
        "Nature Machine Intelligence 6", 2024, "2209.15190")),
    System(13, "scaling-limits", "Tensor programs", "infinite_width", Paper(
        "Scaling Limits of Wide Neural Networks with Weight Sharing",
        "Yang", "preprint", 2019, "1902.04760")),
    System(14, "ska", "Structured knowledge accumulation", "neural_des", Paper(
        "Structured Knowledge Accumulation: The Principle of Entropic Least Action in Forward-Only Neural Learning",
        "Mahi", "preprint", 2025, "2504.03214")),
    System(15, "lordnet", "LordNet", "operators", Paper(
        "LordNet: An Efficient Neural Network for Learning to Solve Parametric PDEs without Simulated Data",
        "Huang, Shi, Gao, Wei, Zhang, Bian, Yang, Liu", "preprint", 2022, "2206.09418"),
        experiments=("cavity_lordnet", "poisson_lordnet", "vorticity_lordnet"),
        notebooks=("operators/05-operators-without-data.ipynb",)),
    System(16, "nns-to-nos", "From networks to operators", "operators", Paper(
        "Principled Approaches for Extending Neural Architectures to Function Spaces",
        "Berner, Liu-Schiaffini, Kossaifi, Duruisseaux, Bonev, Azizzadenesheli, Anandkumar",
        "preprint", 2025, "2506.10973"),
        experiments=(
            "antiderivative_deeponet",
            "burgers_operators",
            "darcy_operators",
            "operator_learning",
            "trajectory_learning",
        ),
        notebooks=("operators/07-which-operator.ipynb",),
        remark="DeepONet and the comparison of all operators; the recipe for other architectures is to come"),
    System(17, "spectral-refiner", "Spectral-Refiner", "operators", Paper(
        "Spectral-Refiner: Accurate Fine-Tuning of Spatiotemporal Fourier Neural Operator for Turbulent Flows",
        "Cao, Brarda, Li, Xi", "ICLR", 2025, "2405.17211")),
    System(18, "pinn-symbolic-discovery", "Universal PINNs", "discovery", Paper(
        "A PINN Approach to Symbolic Differential Operator Discovery with Sparse Data",
        "Podina, Eastman, Kohandel", "ICML", 2023, "2212.04630"),
        experiments=("apoptosis_upinn", "burgers_upinn", "chemotherapy_upinn", "lotka_volterra_upinn"),
        notebooks=("discovery/02-hidden-terms.ipynb", "discovery/01-pinns-that-converge.ipynb",
                   "discovery/03-symbolic-regression.ipynb", "discovery/04-from-trajectories-to-laws.ipynb",
                   "discovery/06-closing-the-circle.ipynb")),
    System(19, "barron-variational-pde", "Barron spaces and variational PDEs", "discovery", Paper(
        "Neural Network Approximations of PDEs Beyond Linearity: A Representational Perspective",
        "Marwah, Lipton, Lu, Risteski", "ICML", 2023, "2210.12101"),
        experiments=("barron_descent", "deep_ritz"),
        notebooks=("discovery/05-variational-problems-and-barron-functions.ipynb",)),
    System(20, "sinenet", "SineNet", "operators", Paper(
        "SineNet: Learning Temporal Dynamics in Time-Dependent PDEs",
        "Zhang, Helwig, Lin, Xie, Fu, Wojtowytsch, Ji", "ICLR", 2024, "2403.19507"),
        experiments=("shift_sinenet", "turbulence_sinenet", "smoke_sinenet", "water_sinenet", "gas_sinenet"),
        notebooks=("operators/06-waves-of-u-nets.ipynb",)),
    System(21, "gaunt-tensor-products", "Gaunt tensor products", "operators", Paper(
        "The Price of Freedom: Exploring Expressivity and Runtime Tradeoffs in Equivariant Tensor Products",
        "Xie, Daigavane, Kotak, Smidt", "ICML", 2025, "2506.13523")),
    System(22, "evonorm", "EvoNorm", "discovery", Paper(
        "Evolving Normalization-Activation Layers",
        "Liu, Brock, Simonyan, Le", "NeurIPS", 2020, "2004.02967")),
    System(23, "hierarchical-polynomials", "Hierarchical polynomials", "infinite_width", Paper(
        "Learning Hierarchical Polynomials with Three-Layer Neural Networks",
        "Wang, Nichani, Lee", "ICLR", 2024, "2311.13774")),
    System(24, "compressed-conv-wave", "Compressed convolutions for waves", "operators", Paper(
        "A priori compression of convolutional neural networks for wave simulators",
        "Boukraichi, Akkari, Casenave, Ryckelynck", "preprint", 2023, "2304.04964")),
    System(25, "wos-no", "WoS-NO", "operators", Paper(
        "Operator Learning Using Weak Supervision from Walk-on-Spheres",
        "Viswanath, Nam, Deng, Berner, Anandkumar, Bera", "preprint", 2026, "2603.01193")),
    System(26, "semilinear-neural-operator", "NODA", "operators", Paper(
        "Learning Semilinear Neural Operators: A Unified Recursive Framework for Prediction and Data Assimilation",
        "Singh, Borsoi, Erdogmus, Imbiriba", "ICLR", 2024, "2402.15656")),
    System(27, "text2pde", "Text2PDE", "operators", Paper(
        "Text2PDE: Latent Diffusion Models for Accessible Physics Simulation",
        "Zhou, Li, Schneier, Buchanan, Barati Farimani", "ICLR", 2025, "2410.01153")),
    System(28, "macaron", "Macaron Net", "neural_des", Paper(
        "Understanding and Improving Transformer From a Multi-Particle Dynamic System Point of View",
        "Lu, Li, He, Sun, Dong, Qin, Wang, Liu", "preprint", 2019, "1906.02762")),
    System(29, "lssl", "Linear state-space layers", "neural_des", Paper(
        "Combining Recurrent, Convolutional, and Continuous-time Models with Linear State-Space Layers",
        "Gu, Johnson, Goel, Saab, Dao, Rudra, Ré", "NeurIPS", 2021, "2110.13985")),
    System(30, "ntk", "Neural tangent kernel", "infinite_width", Paper(
        "Neural Tangent Kernel: Convergence and Generalization in Neural Networks",
        "Jacot, Gabriel, Hongler", "NeurIPS", 2018, "1806.07572"),
        experiments=("ntk_circle", "ntk_digits", "ntk_pinn"),
        notebooks=("infinite_width/02-neural-tangent-kernel.ipynb",
                   "infinite_width/01-networks-as-gaussian-processes.ipynb",
                   "infinite_width/03-training-as-a-linear-ode.ipynb")),
)
# fmt: on


def _fault(row: System) -> str:
    if row.number:
        return f"number must be 0: the others are this laboratory's; got {row.number}"
    return "" if row.family in FAMILIES else f"family must be one of {', '.join(FAMILIES)}; got {row.family!r:.80}"


CATALOGUE: Catalogue[System] = Catalogue("system", System, {system.name: system for system in SYSTEMS}, _fault)
"""The thirty, and those of installed packages."""


def get(name: str) -> System:
    """The system of that name. Raises UnknownName with the nearest one.

    >>> ll.systems.get("ntk").paper.authors
    'Jacot, Gabriel, Hongler'
    """
    return CATALOGUE.named(name)


def names() -> tuple[str, ...]:
    """Names of all systems, by number; those of installed packages behind them.

    >>> ll.systems.names()[29]
    'ntk'
    """
    return tuple(CATALOGUE)
