"""The rival of a hidden term beside a surrogate: a hidden term inside the field, trained through a solver.

    y' = K(y) + G(y),    L = mean |(y(t_i) - y_i)/s|^2,

a universal differential equation. Gradients go through the steps of an adaptive method (discretise, then optimise), so
every step of the training is a solve; there is no surrogate, and the equation holds exactly.

Source: Rackauckas et al., Universal differential equations for scientific machine learning (2020), arXiv 2001.04385.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.pinn.hidden_terms import HiddenTerms, read_inputs, term_network
from limitlab.discovery.pinn.points import Measurements
from limitlab.discovery.pinn.residual import Derivative, Equations
from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.problems.ode.problem import ODEProblem
from limitlab.saved import Saved
from limitlab.solvers import solve_ode
from limitlab.solvers.failures import SolveFailed


class UniversalODE(Saved):
    """The known field of an ordinary problem with a network for the terms that were taken out of it.

    initial: (trajectory, state), where the trajectories begin. The network is that of a UPINN with the same hidden
    terms and seed; term: another module in its place, with values in the units of the equations. Raises InvalidArgument
    and UnknownName.

    >>> problem = ll.problems.get("lotka_volterra", span=3.0)
    >>> hidden = ll.discovery.pinn.HiddenTerms({"x": "-beta*x*y"}, inputs=("x", "y"))
    >>> seen = ll.discovery.pinn.Measurements.of(problem.simulate(1, resolution=5))
    >>> model = ll.discovery.pinn.UniversalODE(
    ...     ll.discovery.pinn.equations_of(problem), hidden, seen, seen.values[:, 0], seed=0)
    >>> model(seen.points[0, :, 0]).shape
    torch.Size([1, 5, 2])
    """

    def __init__(
        self,
        equations: Equations,
        hidden: HiddenTerms,
        measurements: Measurements,
        initial: Float[Tensor, "trajectory state"],
        *,
        term: nn.Module | None = None,
        rtol: float = 1e-6,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(equations.problem, ODEProblem):
            raise InvalidArgument(f"equations must be those of an ordinary problem; got {equations.problem.name}")
        if equations.rates:
            raise InvalidArgument("equations must be one rate each, as `equations_of` gives them; got sums of them")
        self.inputs = read_inputs(equations, hidden)
        if any(not isinstance(entry, Derivative) or entry.axes for entry in self.inputs):
            raise InvalidArgument(f"inputs must be states, of which a field is a function; got {hidden.inputs}")
        for name in hidden.equations:
            one_of("equation", name, equations.unknowns)
        self.hidden = hidden
        self.equations = equations.without({n: text for n, text in hidden.terms.items() if text is not None})
        self.places = [equations.unknowns.index(name) for name in hidden.equations]
        self.register_buffer("scale", measurements.scale)
        self.register_buffer("initial", initial.double())
        self.rtol = check_number("rtol", rtol, low=1e-12, high=1e-1)
        self.term = term or term_network(equations, self.inputs, hidden, measurements, seed=seed)
        size = measurements.scale[self.places] / equations.problem.span
        self.register_buffer("term_scale", size if term is None else torch.ones_like(size))

    scale: Float[Tensor, " state"]
    initial: Float[Tensor, "trajectory state"]
    term_scale: Float[Tensor, " term"]

    def hidden_term(self, features: Float[Tensor, "point feature"]) -> Float[Tensor, "point term"]:
        """G where its inputs have these values."""
        return self.term_scale * self.term(features)

    def field(self, t: Tensor, y: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The right side: known terms and the network."""
        names = self.equations.unknowns
        fields = dict(zip(names, y.unbind(-1), strict=True))
        still = {f"{name}_t": torch.zeros_like(value) for name, value in fields.items()}
        points = torch.as_tensor(t, dtype=y.dtype).expand(len(y), 1)
        # the residual is the rate less the right side
        right = list(-self.equations.evaluate(points, {**fields, **still}, self.equations.problem.values))
        features = torch.stack([fields[d.name] for d in self.inputs if isinstance(d, Derivative)], -1)
        for place, value in zip(self.places, self.hidden_term(features).unbind(-1), strict=True):
            right[place] = right[place] + value
        return torch.stack(right, -1)

    def forward(self, times: Float[Tensor, " time"]) -> Float[Tensor, "trajectory time state"]:
        """The trajectories at times from 0 on."""
        if float(times[0]) > 0:
            return self(torch.cat([times.new_zeros(1), times]))[:, 1:]
        return solve_ode(self.field, self.initial, times, method="tsit5", rtol=self.rtol, atol=self.rtol / 100).y

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Mean square of the scaled misfit, infinite where the field cannot be followed; the times are all the same."""
        try:
            states = self(batch["data_points"][0, :, 0])
        except SolveFailed:
            # a line search shortens such a step, where an error would end the training
            return {"data": torch.stack([p.sum() for p in self.parameters()]).sum() * 0 + math.inf}
        difference = (states - batch["data_values"]) / self.scale
        return {"data": difference[torch.isfinite(batch["data_values"])].square().mean()}


def ude_loss(model: nn.Module, batch: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The loss of a UniversalODE for a Recipe.

    >>> ll.discovery.pinn.ude_loss.__name__
    'ude_loss'
    """
    assert isinstance(model, UniversalODE)
    return model.losses(batch)
