"""The rival without networks: hidden terms as sums of few monomials, regressed on what an equation leaves over.

    r_i = N[u](z_i),    G(v) = sum_j xi_j theta_j(v) with few xi_j, by least squares of r_i over theta_j(v_i)

u and its derivatives are estimates from the same data, never a network: splines along a trajectory, radial basis
functions over a field. How smooth they are the data decide (the misfit of the solved equation, or 5-fold validation),
how many terms stay the BIC of the regression. It needs every unknown measured, and knows that the term is a polynomial.

Source: Brunton, Proctor, Kutz, Discovering governing equations from data by sparse identification (2016).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.pinn.hidden_terms import EXCLUDED, HiddenTerms, read_inputs
from limitlab.discovery.pinn.identifiability import library
from limitlab.discovery.pinn.points import Measurements, domain
from limitlab.discovery.pinn.residual import Derivative, Equations
from limitlab.discovery.pinn.ude import UniversalODE
from limitlab.discovery.symbolic.sparse.derivatives import estimated_slopes
from limitlab.discovery.symbolic.sparse.regression import eliminations
from limitlab.errors import InvalidArgument, check_number
from limitlab.saved import Saved
from limitlab.solvers.failures import SolveFailed

KERNELS = ("thin_plate_spline", "cubic", "quintic")
STRETCHES = (0.5, 1.0, 2.0, 4.0)
"""Lengths of the first axis beside the others, in units of the domain."""
SMOOTHINGS = (0.0, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1)
FOLDS = 5
Chosen = tuple[str, float, float]
"""Kernel, stretch of the first axis, and smoothing."""
STEP = 1e-3
"""Of the differences of an interpolant, as a share of each axis."""


class SparseTerm(Saved):
    """Hidden terms as polynomials of their inputs: (point, input) to (point, term).

    coefficients: (candidate, term), of the monomials in the order of `library`.

    >>> from limitlab.discovery.pinn.sparse_rival import SparseTerm
    >>> term = SparseTerm(torch.tensor([[0.0], [0.0], [0.0], [0.0], [-0.9], [0.0]]), ("x", "y"), degree=2)
    >>> term(torch.tensor([[2.0, 3.0]]))
    tensor([[-5.4000]])
    """

    def __init__(self, coefficients: Float[Tensor, "candidate term"], names: tuple[str, ...], degree: int) -> None:
        super().__init__()
        self.names, self.degree = names, degree
        # nothing trains it: it was solved for
        self.coefficients = nn.Parameter(coefficients, requires_grad=False)

    def forward(self, features: Float[Tensor, "point feature"]) -> Float[Tensor, "point term"]:
        return library(features, self.names, self.degree)[0] @ self.coefficients


def sparse_term(
    equations: Equations,
    hidden: HiddenTerms,
    points: Float[Tensor, "point axis"],
    fields: Mapping[str, Float[Tensor, " point"]],
    degree: int = 2,
) -> SparseTerm:
    """The polynomial that makes up for what the known terms leave over, where unknowns and derivatives are `fields`.

    Terms are eliminated one by one, the least useful first; of all lengths the one with the least BIC stays.

    >>> from limitlab.discovery.pinn.sparse_rival import sparse_term
    >>> equations = ll.discovery.pinn.equations_of(ll.problems.parse("u' = -0.5*u"))
    >>> hidden = ll.discovery.pinn.HiddenTerms({"u": None}, inputs=("u",))
    >>> u = torch.linspace(0.1, 0.9, 20).double()
    >>> fields = {"u": u, "u_t": -0.5 * u - 0.3 * u**2}
    >>> [round(c, 6) + 0 for c in sparse_term(equations, hidden, u[:, None], fields).coefficients[:, 0].tolist()]
    [0.0, 0.0, -0.3]
    """
    known = equations.without({name: text for name, text in hidden.terms.items() if text is not None})
    rows = known.evaluate(points, fields, equations.problem.values)
    features = torch.stack([fields[d.name] for d in _derivatives(equations, hidden)], -1)
    candidates = library(features, hidden.inputs, degree)[0].cpu().numpy()
    chosen = [_fewest(candidates, rows[equations.unknowns.index(name)].cpu().numpy()) for name in hidden.equations]
    return SparseTerm(torch.from_numpy(np.stack(chosen, 1)), hidden.inputs, degree)


def sparse_ode(
    equations: Equations,
    hidden: HiddenTerms,
    measurements: Measurements,
    initial: Float[Tensor, "trajectory state"],
    degree: int = 2,
) -> UniversalODE:
    """The known field with a polynomial for its hidden terms, from splines along the measured trajectories.

    initial: where the trajectories begin, which is known. The splines go through the points, or as near as
    cross-validation says; that one stays whose equation, solved, comes nearer to the measurements. Raises
    InvalidArgument where a state was not measured.

    >>> problem = ll.problems.get("lotka_volterra", span=3.0)
    >>> hidden = ll.discovery.pinn.HiddenTerms({"x": "-beta*x*y", "y": "delta*x*y"}, inputs=("x", "y"))
    >>> every = ll.discovery.pinn.Measurements.of(problem.simulate(1, resolution=41))
    >>> seen = ll.discovery.pinn.Measurements(every.points[:, 1:], every.values[:, 1:])
    >>> equations = ll.discovery.pinn.equations_of(problem)
    >>> model = ll.discovery.pinn.sparse_ode(equations, hidden, seen, every.values[:, 0])
    >>> model.hidden_term(torch.tensor([[1.0, 2.0]]).double()).round(decimals=1)
    tensor([[-1.8000,  1.6000]], dtype=torch.float64)
    """
    _require_all_measured(measurements)
    times = np.append(0.0, measurements.points[0, :, 0].numpy())
    states = torch.cat([initial.double().cpu()[:, None], measurements.values], 1).numpy()
    trials = []
    for sigma in (0.0, None):
        slopes = estimated_slopes(times, states, sigma=sigma)
        columns = dict(zip(equations.unknowns, torch.from_numpy(slopes.states.T), strict=True))
        columns |= {
            f"{n}_t": torch.from_numpy(s) for n, s in zip(equations.unknowns, slopes.derivatives.T, strict=True)
        }
        # the equations of a trajectory know no time of their own
        still = torch.zeros(len(slopes.states), 1, dtype=torch.float64)
        term = sparse_term(equations, hidden, still, columns, degree)
        model = UniversalODE(equations, hidden, measurements, initial, term=term)
        trials.append((_misfit(model, measurements), model))
    return min(trials, key=lambda trial: trial[0])[1]


class SparseField(Saved):
    """A field interpolated from scattered points, with a polynomial for its hidden terms.

    known: points of the start and the walls with their values, which hold exactly. Kernel, stretch of time and
    smoothing are those with the least error in 5-fold validation, drawn by `seed`; derivatives are differences of the
    interpolant, and 5 % at the ends of each axis are left out of the regression.

    >>> problem = ll.problems.get("logistic", span=2.0)
    >>> hidden = ll.discovery.pinn.HiddenTerms({"u": "r*u"}, inputs=("u",))
    >>> seen = ll.discovery.pinn.Measurements.of(problem.simulate(1, resolution=41))
    >>> start = ll.discovery.pinn.Measurements(torch.zeros(1, 1, 1), seen.values[:, :1])
    >>> data = ll.discovery.pinn.Measurements(seen.points[:, 1:], seen.values[:, 1:])
    >>> field = ll.discovery.pinn.SparseField(ll.discovery.pinn.equations_of(problem), hidden, data, start)
    >>> field(torch.ones(1, 1).double()).shape
    torch.Size([1, 1])
    """

    def __init__(
        self,
        equations: Equations,
        hidden: HiddenTerms,
        measurements: Measurements,
        known: Measurements,
        *,
        degree: int = 2,
        count: int = 4096,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _require_all_measured(measurements)
        self.equations = equations
        self.low, self.lengths = _box(equations)
        places = [self._unit(part.points[0].numpy()) for part in (known, measurements)]
        values = [part.values[0].numpy() for part in (known, measurements)]
        self.chosen = _validated(places, values, seed)
        self._interpolant = _interpolant(places, values, self.chosen)
        inner = torch.quasirandom.SobolEngine(len(self.low), scramble=True, seed=seed).draw(count, dtype=torch.float64)
        points = torch.from_numpy(self.low + self.lengths * (EXCLUDED + (1 - 2 * EXCLUDED) * inner.numpy()))
        wanted = {
            *equations.derivatives,
            *(Derivative(n) for n in equations.unknowns),
            *_derivatives(equations, hidden),
        }
        self.term = sparse_term(equations, hidden, points, {d.name: self._field(d, points) for d in wanted}, degree)

    def forward(self, points: Float[Tensor, "point axis"]) -> Float[Tensor, "point unknown"]:
        """The interpolated unknowns."""
        return torch.from_numpy(self._values(points.detach().cpu().numpy())).to(points)

    def hidden_term(self, features: Float[Tensor, "point feature"]) -> Float[Tensor, "point term"]:
        """G where its inputs have these values, in the units of the equations."""
        return self.term(features)

    def _unit(self, points: np.ndarray) -> np.ndarray:
        return (points - self.low) / self.lengths

    def _values(self, points: np.ndarray) -> np.ndarray:
        return self._interpolant(self._unit(points) * _stretched(len(self.low), self.chosen[1]))

    def _field(self, derivative: Derivative, points: Float[Tensor, "point axis"]) -> Float[Tensor, " point"]:
        """A derivative by differences along its axes, one after the other."""
        places = [self.equations.coordinates.index(axis) for axis in derivative.axes]
        steps = [STEP * self.lengths[place] for place in places]
        total = np.zeros(len(points))
        for signs in product((-1, 1), repeat=len(places)):
            moved = points.numpy().copy()
            for sign, place, step in zip(signs, places, steps, strict=True):
                moved[:, place] += sign * step
            column = self._values(moved)[:, self.equations.unknowns.index(derivative.unknown)]
            total += math.prod(signs) * column
        return torch.from_numpy(total / math.prod(2 * step for step in steps))


def _fewest(candidates: Float[np.ndarray, "point candidate"], target: Float[np.ndarray, " point"]) -> np.ndarray:
    """Coefficients of the elimination with the least BIC, 0 where a candidate is out."""
    count = len(target)
    floor = np.finfo(np.float64).eps * float(np.mean(target**2))

    def bic(step: tuple[tuple[int, ...], np.ndarray]) -> float:
        terms, xi = step
        square = float(np.mean((target - candidates[:, list(terms)] @ xi) ** 2))
        return count * math.log(max(square, floor, 1e-300)) + len(terms) * math.log(count)

    terms, xi = min(eliminations(candidates, target), key=bic)
    coefficients = np.zeros(candidates.shape[1])
    coefficients[list(terms)] = xi
    return coefficients


def _misfit(model: UniversalODE, measurements: Measurements) -> float:
    """Mean square of the scaled misfit; infinite where the equation cannot be solved so far."""
    batch = {"data_points": measurements.points, "data_values": measurements.values}
    try:
        with torch.no_grad():
            return float(model.losses(batch)["data"])
    except SolveFailed:
        return math.inf


def _validated(places: list[np.ndarray], values: list[np.ndarray], seed: int) -> Chosen:
    """Kernel, stretch and smoothing with the least squared error of folds that were left out."""
    check_number("measured points", len(places[1]), low=FOLDS)
    fold = np.random.default_rng([seed, 3]).permutation(len(places[1])) % FOLDS
    errors: dict[Chosen, float] = {}
    for chosen in product(KERNELS, STRETCHES if places[0].shape[1] > 1 else (1.0,), SMOOTHINGS):
        stretch = _stretched(places[0].shape[1], chosen[1])
        errors[chosen] = 0.0
        for k in range(FOLDS):
            rest = [places[0], places[1][fold != k]], [values[0], values[1][fold != k]]
            try:
                there = _interpolant(*rest, chosen)(places[1][fold == k] * stretch)
            except np.linalg.LinAlgError:
                there = np.inf
            errors[chosen] += float(np.square(there - values[1][fold == k]).sum())
    return min(errors, key=errors.__getitem__)


def _interpolant(places: list[np.ndarray], values: list[np.ndarray], chosen: Chosen) -> Any:
    """Radial basis functions that meet the conditions exactly and the measurements as smoothly as is said."""
    from scipy.interpolate import RBFInterpolator

    kernel, stretch, smooth = chosen
    smoothing = np.concatenate([np.zeros(len(places[0])), np.full(len(places[1]), smooth)])
    centers = np.concatenate(places) * _stretched(places[0].shape[1], stretch)
    return RBFInterpolator(centers, np.concatenate(values), kernel=kernel, smoothing=smoothing)


def _stretched(axes: int, stretch: float) -> np.ndarray:
    return np.array([stretch, *(1.0,) * (axes - 1)])


def _box(equations: Equations) -> tuple[np.ndarray, np.ndarray]:
    low, high = (np.array(ends) for ends in domain(equations.problem))
    return low, high - low


def _derivatives(equations: Equations, hidden: HiddenTerms) -> list[Derivative]:
    inputs = read_inputs(equations, hidden)
    if any(not isinstance(entry, Derivative) for entry in inputs):
        raise InvalidArgument(f"inputs must be unknowns and derivatives for a regression; got {hidden.inputs}")
    return [entry for entry in inputs if isinstance(entry, Derivative)]


def _require_all_measured(measurements: Measurements) -> None:
    if not bool(torch.isfinite(measurements.values).all()):
        raise InvalidArgument("measurements must hold every unknown at every point: a regression sees nothing else")
