"""First-order MAML: initial weights from which one step of gradient descent solves a new task, in every limit.

A task has a few labelled points to adapt to (its support) and others to be judged on (its query). With the losses
S and Q, means of the cross entropy over support and query, the first-order meta-gradient at the weights w is

    mean over tasks of  grad Q (w - a grad S (w)),

the gradient in w of Q(w - a g) with g = grad S (w) held fixed: so it is a loss like any other. In a kernel limit the
features phi are frozen, phi(x) . phi(x') = k(x, x'), and f = w phi. A step of SGD on w is then one of kernel gradient
descent, which adds points with coefficients c to f = sum c_i k(x_i, .), and |w|^2 = c' K c: so the same code, with the
same clipping, serves all limits. Over a finite set of points phi are the rows of the Cholesky factor of K.

Labels are permuted from task to task, so there is no single good readout; what can be learned is the metric U' U.
Source: Finn, Abbeel, Levine, arXiv 1703.03400; Yang, Hu, arXiv 2011.14522, section 7 and appendix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.infinite_width.limit.architecture import Dense, chain
from limitlab.infinite_width.limit.kernels import kernels
from limitlab.saved import Saved

TASKS_AT_ONCE = 50
Task = Mapping[str, Tensor]


class Kernel(NamedTuple):
    """Of a network with one hidden layer of this activation; "ntk" trains both of its layers, "nngp" the second."""

    activation: str
    kind: str


KERNELS = {
    "linear_ntk": Kernel("linear", "ntk"),
    "linear_gp": Kernel("linear", "nngp"),
    "relu_ntk": Kernel("relu", "ntk"),
    "relu_gp": Kernel("relu", "nngp"),
}


def first_order_maml(inner_rate: float = 0.4) -> Callable[[nn.Module, Task], dict[str, Tensor]]:
    """The loss of `training.fit` on batches of tasks: the mean query loss after one step on the support.

    >>> tasks = ll.infinite_width.TaskBatches(torch.randn(8, 10, 6)).batch(0)
    >>> model = ll.infinite_width.LinearNetwork(6, 5, width=16)
    >>> list(ll.infinite_width.first_order_maml()(model, tasks))
    ['query']
    """
    rate = check_number("inner_rate", inner_rate, low=0)

    def loss(model: nn.Module, tasks: Task) -> dict[str, Tensor]:
        weights = dict(model.named_parameters())

        def query_loss(task: dict[str, Tensor]) -> Tensor:
            adapted = adapt(model, weights, task["support"], task["support_label"], rate)
            return functional.cross_entropy(functional_call(model, adapted, task["query"]), task["query_label"])

        return {"query": vmap(query_loss)(dict(tasks)).mean()}

    return loss


def adapt(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    support: Float[Tensor, "point features"],
    label: Tensor,
    inner_rate: float,
) -> dict[str, Tensor]:
    """One step of gradient descent on the support of a task; the step itself is not differentiated."""

    def support_loss(current: dict[str, Tensor]) -> Tensor:
        return functional.cross_entropy(functional_call(model, current, support), label)

    steps = grad(support_loss)({name: weight.detach() for name, weight in weights.items()})
    return {name: weight - inner_rate * steps[name] for name, weight in weights.items()}


@torch.no_grad()
def adapted_accuracy(model: nn.Module, tasks: Task, inner_rate: float = 0.4, steps: int = 20) -> Float[Tensor, " task"]:
    """The share of query points that each task gets right after some steps on its support.

    >>> tasks = ll.infinite_width.TaskBatches(torch.randn(8, 10, 6)).batch(0)
    >>> ll.infinite_width.adapted_accuracy(ll.infinite_width.LinearNetwork(6, 5, width=16), tasks).shape
    torch.Size([32])
    """
    rate = check_number("inner_rate", inner_rate, low=0)
    count = int(check_number("steps", steps, low=0, integer=True))
    initial = {name: weight.detach() for name, weight in model.named_parameters()}
    device = next(iter(initial.values())).device

    def accuracy(task: dict[str, Tensor]) -> Tensor:
        weights = initial
        for _ in range(count):
            weights = adapt(model, weights, task["support"], task["support_label"], rate)
        outputs = functional_call(model, weights, task["query"])
        return (outputs.argmax(-1) == task["query_label"]).float().mean()

    # a task has weights of its own, so not too many at a time
    parts = zip(*(tensor.to(device).split(TASKS_AT_ONCE) for tensor in tasks.values()), strict=True)
    return torch.cat([vmap(accuracy)(dict(zip(tasks, part, strict=True))) for part in parts])


@dataclass(frozen=True, repr=False)
class TaskBatches:
    """Batches of few-shot tasks, each a pure function of (seed, step): `ways` classes, `shots` drawings of each.

    table: the points of every class as the model takes them. A batch has support (task, ways shots, features), query
    (task, ways queries, features) and their labels 0 ... ways - 1, which a class gets at random in every task.

    >>> ll.infinite_width.TaskBatches(torch.zeros(8, 10, 6)).batch(0)["query"].shape
    torch.Size([32, 25, 6])
    """

    table: Float[Tensor, "class drawing features"]
    tasks: int = 32
    ways: int = 5
    shots: int = 1
    queries: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("tasks", "ways", "shots", "queries"):
            # a frozen dataclass; numbers of an array may be NumPy's
            object.__setattr__(self, name, check_number(name, getattr(self, name), low=1, integer=True))
        object.__setattr__(self, "seed", check_number("seed", self.seed, low=0, integer=True))
        if self.table.ndim != 3:
            raise InvalidArgument(f"table must have shape (class, drawing, features); got {tuple(self.table.shape)}")
        classes, drawings = self.table.shape[:2]
        if self.ways > classes:
            raise InvalidArgument(f"ways must be <= {classes}, the number of classes; got {self.ways}")
        if self.shots + self.queries > drawings:
            raise InvalidArgument(
                f"shots + queries must be <= {drawings}, the drawings of a class; got {self.shots} + {self.queries}"
            )

    def __repr__(self) -> str:
        classes, drawings, features = self.table.shape
        shape = f"{classes} classes of {drawings} drawings, {features} features"
        return f"TaskBatches({self.tasks} tasks, {self.ways} ways, {self.shots} shots, {self.queries} queries; {shape})"

    def batch(self, step: int) -> dict[str, Tensor]:
        """The tasks of a step, counted from 0."""
        classes, drawings = self.table.shape[:2]
        draws = np.random.default_rng([self.seed, int(check_number("step", step, low=0, integer=True))])
        # the order of uniform draws is a random permutation, so its first entries are drawn without repetition
        chosen = draws.random((self.tasks, classes)).argsort(1)[:, : self.ways, None]
        drawn = draws.random((self.tasks, self.ways, drawings)).argsort(2)[..., : self.shots + self.queries]
        rows = torch.from_numpy(chosen * drawings + drawn)
        labels = torch.arange(self.ways)[None, :, None].expand(rows.shape)
        parts = {}
        for name, drawings_of in (("support", slice(None, self.shots)), ("query", slice(self.shots, None))):
            parts[name] = functional.embedding(rows[..., drawings_of].flatten(1), self.table.flatten(0, 1))
            parts[f"{name}_label"] = labels[..., drawings_of].flatten(1)
        return parts

    def shard(self, rank: int, world: int) -> TaskBatches:
        raise InvalidArgument("meta-learning runs in one process: its weights differ from task to task")


class KernelMachine(Saved):
    """f = w phi with frozen features, w = 0 at first: a kernel limit. Maps (..., features) to (..., outputs).

    kernel: the name of the kernel that the features are of.

    >>> ll.infinite_width.KernelMachine(20, 5)(torch.ones(3, 20)).sum().item()
    0.0
    """

    width = math.inf

    def __init__(
        self, features: int, outputs: int, *, kernel: str = "linear_gp", dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.kernel = kernel
        shape = [
            check_number(name, n, low=1, integer=True) for name, n in (("outputs", outputs), ("features", features))
        ]
        self.w = nn.Parameter(torch.zeros(*map(int, shape), dtype=dtype))

    def forward(self, phi: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch outputs"]:
        return phi @ self.w.T


def kernel_features(
    kernel: str, points: Float[Tensor, "point inputs"], *, jitter: float = 1e-7, memory_limit: int | None = None
) -> Float[Tensor, "point features"]:
    """phi with phi phi' = K over these points, in their precision, for a kernel of KERNELS.

    The network has one hidden layer, no biases, and keeps |f| near |x|: first-layer weights of variance 1, and 1 (or 2
    for ReLU) over the width in the second. "gp" trains the second layer only, "ntk" both. jitter: added to the diagonal
    of K in units of its mean, so that there is a Cholesky factor. A linear kernel needs none: phi = x or sqrt(2) x.

    >>> phi = ll.infinite_width.kernel_features("relu_gp", torch.eye(3))
    >>> torch.allclose((phi @ phi.T).diagonal(), torch.ones(3))
    True
    """
    activation, kind = KERNELS[one_of("kernel", kernel, KERNELS)]
    if points.ndim != 2:
        raise InvalidArgument(f"points must have shape (point, inputs); got {tuple(points.shape)}")
    jitter = check_number("jitter", jitter, low=0)
    if activation == "linear":
        return points * (math.sqrt(2) if kind == "ntk" else 1.0)
    # a Dense divides by the number of inputs, which the variance takes back
    network = chain(Dense(points.shape[1]), activation, Dense(2.0))
    matrix = getattr(kernels(network, points, memory_limit=memory_limit), kind)
    # a view of the kernel, changed in place
    matrix.diagonal().add_(jitter * matrix.diagonal().mean())
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if bool(failed):
        raise InvalidArgument(f"jitter must be larger than {jitter:g}: the kernel of these points is singular")
    return factor.to(points.dtype)


@dataclass(frozen=True)
class Hyperparameters:
    """Initial standard deviations, the bias's weight, and the factor to the rate of meta-learning."""

    sigma_1: float = 1.0
    sigma_2: float = 0.03125
    bias: float = 1.0
    rate: float = 1.0

    @property
    def spreads(self) -> dict[str, Any]:
        """What a LinearNetwork takes of them."""
        return {"sigma_1": self.sigma_1, "sigma_2": self.sigma_2, "bias": self.bias}


# of the authors' runs, from the smallest width on; their rates are 0.1 times `rate`
REPOSITORY: dict[float, Hyperparameters] = {
    2: Hyperparameters(0.5, 0.5, 2.0, 0.5),
    8: Hyperparameters(0.5, 0.25, 1.0, 1.0),
    32: Hyperparameters(1.0, 0.125, 0.5, 4.0),
    128: Hyperparameters(1.0, 0.125, 1.0, 1.0),
    512: Hyperparameters(),
}


def repository_hyperparameters(width: float) -> Hyperparameters:
    """Those of the authors for the nearest width, on a logarithmic scale, of their table; the largest for inf."""
    if not width >= 1:
        raise InvalidArgument(f"width must be >= 1 or inf; got {width!r}")
    return REPOSITORY[min(REPOSITORY, key=lambda known: abs(math.log(min(width, 512) / known)))]
