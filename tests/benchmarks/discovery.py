"""Physics-informed networks against DeepXDE 1.15.0 and PINA 0.3.2: a gradient of the loss, and errors at equal time.

Run `python tests/benchmarks/discovery.py [--rounds 15]`; writes results/discovery.json next to this file. PINA is no
dependency of the project: without `pina-mathlab` in the environment its columns are left out.

Gradients: residual of Burgers' equation and its gradient in the weights, at the same 1200 points from the same weights,
with the same hard conditions and scaled inputs; losses agree to 1e-6 and gradients to 1e-5 before anything is timed.
Errors: the same network from the same weights on the same points, hard conditions for all, 20 s of processor time
each, and 60 s on Burgers' equation: Adam in the first third, then L-BFGS (its documented options) for the peers; ours
takes 700 steps of Adam and then self-scaled BFGS. Relative L2 errors against the exact solution and the mean squared
residual, by plain automatic differentiation for all, beside the steps that were made.
"""

import os

os.environ.setdefault("DDE_BACKEND", "pytorch")

import importlib.util
import math
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import deepxde
import torch
from interleaved import interleave, row, run
from torch import Tensor, nn

import limitlab as ll
from limitlab.discovery import pinn

WITH_PINA = importlib.util.find_spec("pina") is not None
PEERS = ("DeepXDE", "PINA") if WITH_PINA else ("DeepXDE",)
QUICK = ("--rounds", "5", "--only", "gradient_32", "gradient_64")
SECONDS, ADAM_SHARE = 20.0, 1 / 3
deepxde.config.set_default_float("float64")


class Task(NamedTuple):
    """A model of ours with its points, the same for a peer (form of u, residuals from derivatives), and the truth."""

    model: pinn.PINN
    points: Tensor
    form: Callable[[Tensor, Tensor], Tensor]
    residuals: Callable[[Tensor, Tensor, Any], list[Tensor]]
    grid: Tensor
    exact: Tensor


def network(model: pinn.PINN) -> nn.Sequential:
    """The plain network of a model with its weights, its inputs scaled alike."""
    ours = model.surrogate(0).network
    layers: list[nn.Module] = [linear(ours.features.rates.T, ours.features.shifts)]
    for layer in ours.hidden:
        layers += [linear(layer.weight, layer.bias), nn.Tanh()]
    layers[0].requires_grad_(False)
    return nn.Sequential(*layers, linear(ours.last.weight, ours.last.bias))


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(*reversed(weight.shape), dtype=torch.float64)
    with torch.no_grad():
        made.weight.copy_(weight)
        made.bias.copy_(bias)
    return made


class Formed(nn.Module):
    """A network with its conditions, for a peer."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.network, self.form = network(task.model), task.form
        self.regularizer = self.auxiliary_vars = None

    def forward(self, z: Tensor) -> Tensor:
        # PINA hands on tensors with labels
        plain = z.as_subclass(Tensor)
        return self.form(plain, self.network(plain))


def burgers(width: int = 32, layers: int = 4) -> Task:
    problem = pinn.burgers_from_sine(0.05)
    form = pinn.evolution(problem, "-sin(pi*x)", "zero")
    architecture = pinn.Architecture(width=width, layers=layers)
    model = pinn.PINN(pinn.equations_of(problem), form, architecture=architecture, seed=0)

    def residuals(z: Tensor, u: Tensor, d: Any) -> list[Tensor]:
        return [d(u, z, 0, 0) + u * d(u, z, 0, 1) - 0.05 * d(u, z, 0, 1, 1)]

    grid = pinn.collocation(problem, 2000, seed=9)
    return Task(
        model,
        pinn.collocation(problem, 1200, seed=0),
        lambda z, n: -torch.sin(math.pi * z[:, 1:2]) + z[:, :1] * (1 - z[:, 1:2] ** 2) * n,
        residuals,
        grid,
        pinn.burgers_solution(grid, 0.05)[:, None],
    )


def lotka_volterra() -> Task:
    problem = ll.problems.get("lotka_volterra", span=3.0)
    a, b, c, e = (problem.values[name] for name in ("alpha", "beta", "gamma", "delta"))
    model = pinn.PINN(pinn.equations_of(problem), seed=0)
    start, scale = problem.initial_value, model.scale

    def residuals(z: Tensor, u: Tensor, d: Any) -> list[Tensor]:
        x, y = u[:, :1], u[:, 1:]
        rows = d(u, z, 0, 0) - a * x + b * x * y, d(u, z, 1, 0) - e * x * y + c * y
        return [r * (problem.span / s) for r, s in zip(rows, scale, strict=True)]

    grid = torch.linspace(0, problem.span, 301, dtype=torch.float64)
    exact = problem.solve(times=grid.tolist(), rtol=1e-10).y[0]
    return Task(
        model,
        pinn.collocation(problem, 128),
        lambda z, n: start + z * (3.0 * scale / problem.span) * n,
        residuals,
        grid[:, None],
        exact,
    )


def poisson() -> Task:
    """-u_xx - u_yy = 5 pi^2 u on the square, whose solution is sin(pi x) sin(2 pi y)."""
    problem = ll.problems.get("poisson")
    equations = pinn.equations_of(problem, {"f": "5*pi**2*sin(pi*x)*sin(2*pi*y)"})
    form = pinn.Ansatz(("0",), ("16*x*(1 - x)*y*(1 - y)",))
    model = pinn.PINN(equations, form, seed=0)

    def exact(z: Tensor) -> Tensor:
        return (torch.sin(math.pi * z[:, 0]) * torch.sin(2 * math.pi * z[:, 1]))[:, None]

    def residuals(z: Tensor, u: Tensor, d: Any) -> list[Tensor]:
        force = 5 * math.pi**2 * exact(z.as_subclass(Tensor))
        scale = model.residual_scale(z.as_subclass(Tensor)).T
        return [-(d(u, z, 0, 0, 0) + d(u, z, 0, 1, 1) + force) / scale]

    points, grid = (pinn.collocation(problem, count, seed=seed) for count, seed in ((800, 0), (2000, 9)))
    return Task(
        model,
        points,
        lambda z, n: 16 * (z * (1 - z)).prod(1, keepdim=True) * n,
        residuals,
        grid,
        exact(grid),
    )


def by_deepxde(u: Tensor, z: Tensor, unknown: int, *axes: int) -> Tensor:
    if len(axes) == 1:
        return deepxde.grad.jacobian(u, z, i=unknown, j=axes[0])
    return deepxde.grad.hessian(u, z, component=unknown, i=axes[0], j=axes[1])


def by_pina(u: Any, z: Any, unknown: int, *axes: int) -> Tensor:
    from pina.operator import fast_grad

    result = u.extract([u.labels[unknown]])
    for axis in axes:
        result = fast_grad(result, z, [result.labels[0]], [z.labels[axis]])
    return result.as_subclass(Tensor)


def deepxde_model(task: Task) -> tuple[Any, Formed]:
    """Its Model on our points, with soft conditions left out, since the form keeps them."""
    size = task.points.shape[1]
    geometry = deepxde.geometry.Hypercube([-9.0] * size, [9.0] * size) if size > 1 else deepxde.geometry.Interval(-9, 9)
    data = deepxde.data.PDE(
        geometry, lambda z, u: task.residuals(z, u, by_deepxde), [], anchors=task.points.numpy(), num_domain=0
    )
    formed = Formed(task)
    return deepxde.Model(data, formed), formed


def pina_solver(task: Task, rate: float) -> tuple[Any, Formed]:
    from pina import Condition, LabelTensor
    from pina.equation import Equation
    from pina.optim import TorchOptimizer
    from pina.problem import SpatialProblem
    from pina.solver import PhysicsInformedSingleModelSolver

    axes = [f"z{k}" for k in range(task.points.shape[1])]
    unknowns = [f"u{k}" for k in range(task.exact.shape[1])]

    def rows(z: Any, u: Any) -> Any:
        columns = torch.cat([r.as_subclass(Tensor) for r in task.residuals(z, _Labelled(u), by_pina)], 1)
        return LabelTensor(columns, [f"r{k}" for k in range(columns.shape[1])])

    points = LabelTensor(task.points.clone(), axes)
    conditions = {"inside": Condition(input=points, equation=Equation(rows))}
    from pina.domain import CartesianDomain

    ranges = CartesianDomain({axis: [-9.0, 9.0] for axis in axes})
    body = {"output_variables": unknowns, "spatial_domain": ranges, "conditions": conditions}
    problem = type("Points", (SpatialProblem,), body)()
    formed = Formed(task)
    optimizer = TorchOptimizer(torch.optim.Adam, lr=rate)
    return PhysicsInformedSingleModelSolver(problem, formed, optimizer=optimizer), formed


class _Labelled:
    """Columns of an output by number as plain tensors, and the labelled output for derivatives."""

    def __init__(self, u: Any) -> None:
        self.u, self.labels = u, u.labels

    def extract(self, names: list[str]) -> Any:
        return self.u.extract(names)

    def __getitem__(self, index: Any) -> Tensor:
        return self.u.as_subclass(Tensor)[index]

    def __rmul__(self, other: Tensor) -> Tensor:
        return other * self.u.as_subclass(Tensor)

    __mul__ = __rmul__


def gradients(width: int) -> Callable[[int], dict]:
    """Loss and gradient of Burgers' residual."""

    def measured(rounds: int) -> dict:
        task = burgers(width)
        batch = pinn.batches(task.points).batch(0)
        losses: dict[str, Callable[[], Tensor]] = {"ours": lambda: sum(task.model.losses(batch).values())}
        trained = {"ours": list(task.model.parameters())}
        model, formed = deepxde_model(task)
        model.compile("adam", lr=1e-3)
        losses["DeepXDE"] = lambda: model.outputs_losses_train(task.points.numpy(), None, None)[1].sum()
        trained["DeepXDE"] = [p for p in formed.parameters() if p.requires_grad]
        if WITH_PINA:
            solver, formed = pina_solver(task, 1e-3)
            condition = solver.problem.conditions["inside"]
            data = {"input": condition.input}
            losses["PINA"] = lambda: solver._compute_condition_loss(condition, data, 0).as_subclass(Tensor)
            trained["PINA"] = [p for p in formed.parameters() if p.requires_grad]

        def gradient(name: str) -> list[Tensor]:
            return torch.autograd.grad(losses[name](), trained[name])

        first = torch.cat([g.flatten() for g in gradient("ours")])
        for name in PEERS:
            loss = losses["ours"]().item()
            assert abs(losses[name]().item() - loss) < 1e-6 * loss, name
            theirs = torch.cat([g.flatten() for g in gradient(name)])
            assert (theirs - first).norm() < 1e-5 * first.norm(), name
        seconds = interleave({name: lambda name=name: gradient(name) for name in losses}, rounds)
        return row(f"gradient, 4x{width}", seconds, [("ours", peer) for peer in PEERS], points=len(task.points))

    return measured


def spent(begun: float) -> float:
    return time.process_time() - begun


def train_ours(task: Task, limit: float) -> int:
    begun, steps = time.process_time(), 0
    recipe = pinn.two_phases(task.points, steps=(700, 10**5), optimizers=("adam", "ssbfgs"))
    with warnings.catch_warnings():
        # a phase that ends at its minimum says so
        warnings.simplefilter("ignore")
        for progress in ll.training.fit(task.model, recipe, device="cpu"):
            steps = progress.step
            if spent(begun) > limit:
                break
    return steps


def train_deepxde(task: Task, limit: float, rate: float = 1e-3) -> tuple[int, Callable[[Tensor], Tensor]]:
    begun = time.process_time()
    model, formed = deepxde_model(task)

    class Until(deepxde.callbacks.Callback):
        def __init__(self, seconds: float) -> None:
            super().__init__()
            self.seconds = seconds

        def on_epoch_end(self) -> None:
            self.model.stop_training = spent(begun) > self.seconds

    model.compile("adam", lr=rate)
    model.train(iterations=10**6, display_every=10**6, verbose=0, callbacks=[Until(ADAM_SHARE * limit)])
    # the time is looked at between calls of the optimiser, so these are short
    deepxde.optimizers.config.LBFGS_options.update(iter_per_step=25, fun_per_step=50, maxiter=10**6)
    model.compile("L-BFGS")
    model.train(verbose=0, callbacks=[Until(limit)])
    return model.train_state.iteration, formed


def train_pina(task: Task, limit: float, rate: float = 1e-3) -> tuple[int, Callable[[Tensor], Tensor]]:
    import logging

    from pina import Trainer
    from pina.callback import SwitchOptimizer
    from pina.optim import TorchOptimizer

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    begun = time.process_time()
    solver, formed = pina_solver(task, rate)

    class Switch(SwitchOptimizer):
        """Adam for a share of the time, then the other optimiser until the time is over."""

        switched = False

        def on_train_epoch_start(self, trainer: Any, _: Any) -> None:
            if not self.switched and spent(begun) > ADAM_SHARE * limit:
                self.switched, self._epoch_switch = True, trainer.current_epoch
            super().on_train_epoch_start(trainer, _)

        def on_train_epoch_end(self, trainer: Any, _: Any) -> None:
            trainer.should_stop = spent(begun) > limit

    options = {"lr": 1.0, "history_size": 100, "max_iter": 25, "line_search_fn": "strong_wolfe",
               "tolerance_grad": 1e-8, "tolerance_change": 0.0}  # fmt: skip
    switch = Switch(TorchOptimizer(torch.optim.LBFGS, **options), 10**9)
    trainer = Trainer(
        solver, max_epochs=10**6, accelerator="cpu", callbacks=[switch], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, shuffle=False,
    )  # fmt: skip
    trainer.train()
    return trainer.current_epoch, formed


def by_autograd(u: Tensor, z: Tensor, unknown: int, *axes: int) -> Tensor:
    result = u[:, unknown : unknown + 1]
    for axis in axes:
        result = torch.autograd.grad(result.sum(), z, create_graph=True)[0][:, axis : axis + 1]
    return result


def loss_of(task: Task, solution: Callable[[Tensor], Tensor]) -> float:
    """Mean squares of the residuals at the points of the training, added up."""
    z = task.points.clone().requires_grad_()
    return sum(float(row.square().mean().detach()) for row in task.residuals(z, solution(z), by_autograd))


def errors(name: str, make: Callable[[], Task], limit: float = SECONDS) -> Callable[[int], dict]:
    """Errors of every library after the same processor time."""

    def error(task: Task, solution: Callable[[Tensor], Tensor]) -> float:
        with torch.no_grad():
            return float((solution(task.grid) - task.exact).norm() / task.exact.norm())

    def measured(rounds: int) -> dict:
        task = make()
        steps = {"ours": train_ours(task, limit)}
        result, losses = {"ours": error(task, task.model)}, {"ours": loss_of(task, task.model)}
        for peer, train in {"DeepXDE": train_deepxde, "PINA": train_pina}.items():
            if peer in PEERS:
                task = make()
                steps[peer], solution = train(task, limit)
                result[peer], losses[peer] = error(task, solution), loss_of(task, solution)
        print(f"{name}: " + ", ".join(f"{k} {v:.2e}" for k, v in result.items()), flush=True)
        facts = {"processor_seconds": limit, "residual": losses, "outer_steps": steps, "points": len(task.points)}
        return {"name": f"{name}, error at equal time", "errors": result, "error_of": "relative L2", **facts}

    return measured


BENCHMARKS = {
    "gradient_32": gradients(32),
    "gradient_64": gradients(64),
    "burgers": errors("Burgers", lambda: burgers(32, 3), limit=60.0),
    "lotka_volterra": errors("Lotka-Volterra", lotka_volterra),
    "poisson": errors("Poisson", poisson),
}

if __name__ == "__main__":
    if not WITH_PINA:
        print("PINA is left out: pip install pina-mathlab==0.3.2", file=sys.stderr)
    run("discovery", __doc__, BENCHMARKS, ["deepxde", *(["pina-mathlab"] if WITH_PINA else [])])
