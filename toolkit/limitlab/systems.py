"""The thirty systems of the laboratory: the one table that the README, the command line and the pickers are made from.

A system is a published idea that lives here as a model, an experiment and a notebook; it is "planned" until both of the
latter exist.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from limitlab.atomic import write_atomically
from limitlab.errors import InvalidArgument, unknown_name
from limitlab.reports import notebooks
from limitlab.reports.tables import Table

Family = Literal["neural_des", "operators", "discovery", "infinite_width"]
State = Literal["works", "planned"]
FAMILIES: dict[Family, str] = {
    "neural_des": "Neural differential equations (depth)",
    "operators": "Neural operators (resolution)",
    "discovery": "Discovery (laws in data)",
    "infinite_width": "Infinite width (kernels and features)",
}


DOOR = "00-start-here.ipynb"
"""Where the course begins."""


@dataclass(frozen=True)
class Paper:
    """Where a system comes from; `arxiv` is the identifier without its prefix."""

    title: str
    authors: str
    venue: str
    year: int
    arxiv: str

    @property
    def link(self) -> str:
        return f"https://arxiv.org/abs/{self.arxiv}"


@dataclass(frozen=True)
class System:
    """One line of the table: the paper, and what of it runs here.

    experiments: names for `limitlab run`. notebooks: paths below notebooks/, the one about the system first; a
    system may have lessons before it works. remark: what of the paper is still missing.

    >>> ll.systems.get("ntk").state
    'works'
    """

    number: int
    name: str
    title: str
    family: Family
    paper: Paper
    experiments: tuple[str, ...] = ()
    notebooks: tuple[str, ...] = ()
    remark: str = ""

    @property
    def state(self) -> State:
        """Whether it runs: with experiments and a notebook, both."""
        return "works" if self.experiments and self.notebooks else "planned"


def get(name: str) -> System:
    """The system of that name. Raises UnknownName with the nearest one.

    >>> ll.systems.get("ntk").paper.authors
    'Jacot, Gabriel, Hongler'
    """
    for system in SYSTEMS:
        if system.name == name:
            return system
    raise unknown_name("system", name, names())


def names() -> tuple[str, ...]:
    """Names of all systems, by number."""
    return tuple(system.name for system in SYSTEMS)


def markdown_table() -> str:
    """The systems as a Markdown table, as the README shows them between `<!-- systems -->` and `<!-- /systems -->`."""
    lines = ["| | system | family | paper | state |", "|---:|---|---|---|---|"]
    for system in SYSTEMS:
        title = f"[{system.title}](notebooks/{system.notebooks[0]})" if system.notebooks else system.title
        paper = system.paper
        source = f"[{paper.authors}, {paper.venue}, {paper.year}]({paper.link})"
        state: str = system.state
        if state == "works":
            state = f"**{state}**: {', '.join(f'`{name}`' for name in system.experiments)}"
        if len(system.notebooks) > 1:
            more = (f"[{PurePosixPath(path).stem}](notebooks/{path})" for path in system.notebooks[1:])
            state += f"; with {', '.join(more)}"
        if system.remark:
            state += f"; {system.remark}"
        lines.append(f"| {system.number} | {title} | `{system.family}` | {paper.title} ({source}) | {state} |")
    return "\n".join(lines)


def write_table(readme: Path) -> None:
    """Put the table between the markers of a Markdown file. Raises InvalidArgument where it has none.

    >>> from pathlib import Path
    >>> size = Path("README.md").write_text("<!-- systems --><!-- /systems -->")
    >>> ll.systems.write_table(Path("README.md"))
    >>> "| [Neural tangent kernel](notebooks/" in Path("README.md").read_text()
    True
    """
    text = readme.read_text(encoding="utf-8")
    begin, end = "<!-- systems -->", "<!-- /systems -->"
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise InvalidArgument(f"{readme} has no markers {begin} and {end}")
    write_atomically(readme, f"{before}{begin}\n\n{markdown_table()}\n\n{end}{after}")


def lessons(family: Family) -> dict[str, str]:
    """The lessons of a part (paths below notebooks/) in the order in which they are read, and what each is about.

    A lesson may be about two systems.

    >>> ll.systems.lessons("neural_des")["neural_des/12-cheap-to-solve.ipynb"]
    'ERNODE; Local ERNODE'
    """
    about: dict[str, list[str]] = {}
    for system in SYSTEMS:
        for lesson in system.notebooks if system.family == family else ():
            about.setdefault(lesson, []).append(system.title)
    return {lesson: "; ".join(titles) for lesson, titles in sorted(about.items())}


def course() -> Table:
    """The lessons that work, part by part in the order in which they are read, with the systems that they are about.

    Links are relative to the folder of the notebooks. A part without a lesson is in preparation.

    >>> ll.systems.course().header
    ['part', 'lesson', 'about']
    """
    rows = []
    for family, part in FAMILIES.items():
        read = lessons(family)
        rows += [[part, f"[{_title(notebook)}]({notebook})", about] for notebook, about in read.items()]
        rows += [] if read else [[part, "in preparation", ""]]
    return Table(["part", "lesson", "about"], rows)


def neighbours(notebook: str) -> str:
    """The lessons before and after one (a path below notebooks/), as the line of Markdown that ends a lesson's head.

    Links are relative to the notebook. Raises UnknownName.

    >>> ll.systems.neighbours("00-start-here.ipynb")
    'Next: [Steps and their control](neural_des/01-steps-and-their-control.ipynb).'
    """
    order = [DOOR, *(lesson for family in FAMILIES for lesson in lessons(family))]
    if notebook not in order:
        raise unknown_name("lesson", notebook, order)
    index = order.index(notebook)
    beside = {"Previous": order[index - 1] if index else None, "Next": (*order, None)[index + 1]}
    links = {name: _relative(lesson, notebook) for name, lesson in beside.items() if lesson}
    return " ".join(f"{name}: [{_title(beside[name] or '')}]({link})." for name, link in links.items())


def write_neighbours(folder: Path) -> None:
    """Put the line of `neighbours` at the end of the first cell of every lesson below a folder of notebooks.

    Raises InvalidArgument where there are none, and UnknownName for a notebook that no system names.

    >>> from pathlib import Path
    >>> lesson = Path("course/00-start-here.ipynb")
    >>> lesson.parent.mkdir()
    >>> size = lesson.write_text('{"nbformat": 4, "cells": [{"cell_type": "markdown", "source": ["# Start"]}]}')
    >>> ll.systems.write_neighbours(lesson.parent)
    >>> "Next: [Steps and their control]" in lesson.read_text()
    True
    """
    paths = sorted(folder.glob("*.ipynb")) + sorted(folder.glob("*/*.ipynb"))
    if not paths:
        raise InvalidArgument(f"no notebooks in {folder}")
    for path in paths:
        notebook = notebooks.read(path)
        head = notebook["cells"][0]
        before = re.sub(r"\s*^(Previous|Next): .*\Z", "", notebooks.source(head), flags=re.MULTILINE)
        text = f"{before.rstrip()}\n\n{neighbours(path.relative_to(folder).as_posix())}"
        if text != notebooks.source(head):
            head["source"] = text.splitlines(keepends=True)
            write_atomically(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def _relative(lesson: str, notebook: str) -> str:
    """The path from one notebook's folder to another notebook."""
    return posixpath.relpath(lesson, posixpath.dirname(notebook) or ".")


def _title(notebook: str) -> str:
    """The heading of a notebook, or its file's name where the course is not at hand."""
    path = notebooks.catalogue().get(notebook.removesuffix(".ipynb"))
    return (notebooks.title(notebooks.read(path)) if path else None) or PurePosixPath(notebook).stem


# fmt: off
SYSTEMS: tuple[System, ...] = (
    System(1, "stable-neural-sde", "Stable neural SDEs", "neural_des", Paper(
        "Stable Neural Stochastic Differential Equations in Analyzing Irregular Time Series Data",
        "Oh, Lim, Kim", "ICLR", 2024, "2402.14989"),
        experiments=("diffusion_menu", "series_classes", "stable_sde_motions"),
        notebooks=("neural_des/11-stable-neural-sdes.ipynb",),
        remark="two of the data sets; interpolation has its bound, not its model"),
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
        experiments=("annuli_ernode", "spiral_ernode", "spiral_sde_ernode"),
        notebooks=("neural_des/12-cheap-to-solve.ipynb",),
        remark="no latent ODE of PhysioNet, no FFJORD"),
    System(4, "local-regularization", "Local ERNODE", "neural_des", Paper(
        "Locally Regularized Neural Differential Equations: Some Black Boxes Were Meant to Remain Closed!",
        "Pal, Edelman, Rackauckas", "ICML", 2023, "2303.02262"),
        experiments=("digits_ernode",),
        notebooks=("neural_des/12-cheap-to-solve.ipynb",),
        remark="shares its lesson with ERNODE; no CIFAR10, no multiscale models"),
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
        experiments=("burgers_fno", "darcy_fno", "navier_stokes_fno"),
        notebooks=("operators/01-fourier-neural-operator.ipynb",),
        remark="the plain FNO; the tensorised and multi-grid parts are to come"),
    System(9, "mgno", "MgNO", "operators", Paper(
        "MgNO: Efficient Parameterization of Linear Operators via Multigrid",
        "He, Liu, Xu", "ICLR", 2024, "2310.19809")),
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
        "Huang, Shi, Gao, Wei, Zhang, Bian, Yang, Liu", "preprint", 2022, "2206.09418")),
    System(16, "nns-to-nos", "From networks to operators", "operators", Paper(
        "Principled Approaches for Extending Neural Architectures to Function Spaces",
        "Berner, Liu-Schiaffini, Kossaifi, Duruisseaux, Bonev, Azizzadenesheli, Anandkumar",
        "preprint", 2025, "2506.10973")),
    System(17, "spectral-refiner", "Spectral-Refiner", "operators", Paper(
        "Spectral-Refiner: Accurate Fine-Tuning of Spatiotemporal Fourier Neural Operator for Turbulent Flows",
        "Cao, Brarda, Li, Xi", "ICLR", 2025, "2405.17211")),
    System(18, "pinn-symbolic-discovery", "Universal PINNs", "discovery", Paper(
        "A PINN Approach to Symbolic Differential Operator Discovery with Sparse Data",
        "Podina, Eastman, Kohandel", "ICML", 2023, "2212.04630"),
        experiments=("apoptosis_upinn", "burgers_upinn", "chemotherapy_upinn", "lotka_volterra_upinn"),
        notebooks=("discovery/02-hidden-terms.ipynb", "discovery/01-pinns-that-converge.ipynb",
                   "discovery/03-symbolic-regression.ipynb", "discovery/04-from-trajectories-to-laws.ipynb",
                   "discovery/06-closing-the-circle.ipynb"),
        remark="the runs of the paper's size on a GPU are to come"),
    System(19, "barron-variational-pde", "Barron spaces and variational PDEs", "discovery", Paper(
        "Neural Network Approximations of PDEs Beyond Linearity: A Representational Perspective",
        "Marwah, Lipton, Lu, Risteski", "ICML", 2023, "2210.12101"),
        experiments=("barron_descent", "deep_ritz"),
        notebooks=("discovery/05-variational-problems-and-barron-functions.ipynb",)),
    System(20, "sinenet", "SineNet", "operators", Paper(
        "SineNet: Learning Temporal Dynamics in Time-Dependent PDEs",
        "Zhang, Helwig, Lin, Xie, Fu, Wojtowytsch, Ji", "ICLR", 2024, "2403.19507")),
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
