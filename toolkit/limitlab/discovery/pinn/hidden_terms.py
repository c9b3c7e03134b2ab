"""Hidden terms of an equation as a second network: universal physics-informed networks.

    N[u] = G(u, Du),    N known up to scalars theta, G a network of chosen features of u and its derivatives,

trained together with the surrogates u of all trajectories, which share G. Features are standardised by the scales of
the data, outputs multiplied by s/T. On one trajectory G is seen on a curve only: whatever agrees with it there is a
solution, values elsewhere are extrapolation. So the error of G is always that on the visited set, and `identifiability`
says whether a known term with an unknown coefficient could take its place.

Source: Podina, Eastman, Kohandel, Universal physics-informed neural networks (2023), arXiv 2212.04630.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.pinn.conditions import Ansatz
from limitlab.discovery.pinn.identifiability import require_identifiable
from limitlab.discovery.pinn.networks import Architecture, JetNetwork
from limitlab.discovery.pinn.points import Measurements, domain
from limitlab.discovery.pinn.residual import Derivative, Equations
from limitlab.discovery.pinn.solve import PINN
from limitlab.errors import InvalidArgument, check_number, check_numbers, one_of
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray as xr

EXCLUDED = 0.05
TERM_SEED = 500_000
"""The hidden network draws from a stream of its own."""


@dataclass(frozen=True)
class HiddenTerms:
    """Which equations hold a hidden term, and what it may depend on.

    terms: by equation, text of a term of the problem that is taken out, as in {"x": "-beta*x*y"}, or None where the
    problem lacks it and nobody knows it. inputs: unknowns and derivatives, such as ("u", "u_x"); scales: of the inputs,
    from the data where left out. A coordinate as input makes every problem solvable and nothing discovered: it is taken
    with forcing=True alone.

    >>> ll.discovery.pinn.HiddenTerms({"u": "-u*u_x"}, inputs=("u", "u_x")).equations
    ('u',)
    """

    terms: Mapping[str, str | None] = field(hash=False)
    inputs: tuple[str, ...]
    architecture: Architecture = field(default_factory=lambda: Architecture(width=32, layers=2))
    scales: tuple[float, ...] = ()
    forcing: bool = False

    def __post_init__(self) -> None:
        if not self.terms or not self.inputs:
            raise InvalidArgument("hidden terms need an equation and an input, as in HiddenTerms({'x': None}, ('x',))")
        if self.scales:
            object.__setattr__(self, "scales", check_numbers("scales", self.scales, len(self.inputs), low=1e-300))

    @property
    def equations(self) -> tuple[str, ...]:
        """Unknowns whose equations hold a hidden term."""
        return tuple(self.terms)


class UPINN(PINN):
    """A PINN with networks for the terms that its equations lack, trained on measurements.

    measurements: give the scales of unknowns and of the network's inputs. forms, unknown and the options: of PINN.
    Raises InvalidArgument and UnknownName.

    >>> problem = ll.problems.get("lotka_volterra", span=3.0)
    >>> hidden = ll.discovery.pinn.HiddenTerms({"x": "-beta*x*y", "y": "delta*x*y"}, inputs=("x", "y"))
    >>> seen = ll.discovery.pinn.Measurements.of(problem.simulate(1, resolution=30))
    >>> forms = ll.discovery.pinn.initial_value(problem, seen.scale.tolist(), seen.values[0, 0].tolist())
    >>> model = ll.discovery.pinn.UPINN(ll.discovery.pinn.equations_of(problem), hidden, seen, forms, seed=0)
    >>> model.term(torch.rand(7, 2, dtype=torch.float64)).shape
    torch.Size([7, 2])
    """

    def __init__(
        self,
        equations: Equations,
        hidden: HiddenTerms,
        measurements: Measurements,
        forms: Ansatz | Sequence[Ansatz],
        **options: Any,
    ) -> None:
        for name in hidden.equations:
            one_of("equation", name, equations.unknowns)
        self.inputs, self.whole, self.hidden = read_inputs(equations, hidden), equations, hidden
        options = {"scale": measurements.scale.tolist(), **options}
        taken = {name: text for name, text in hidden.terms.items() if text is not None}
        super().__init__(equations.without(taken), forms, **options)
        if len(self.surrogates) != len(measurements.points):
            raise InvalidArgument(
                f"forms must hold an Ansatz for each of {len(measurements.points)} trajectories; got "
                f"{len(self.surrogates)}"
            )
        self.places = [equations.unknowns.index(name) for name in hidden.equations]
        require_identifiable(self.equations, self.inputs, hidden.equations, tuple(self.guesses))
        self.term = term_network(equations, self.inputs, hidden, measurements, seed=int(options.get("seed", 0)))

    @property
    def term_scale(self) -> Float[Tensor, " term"]:
        """What the network's outputs are multiplied by: the size of each unknown times how fast its equation is."""
        return (self.rates * self.scale)[self.places]

    def wanted(self) -> tuple[Derivative, ...]:
        return tuple(sorted({*super().wanted(), *self.whole.derivatives, *_derivatives(self.inputs)}))

    def residuals_of(self, points: Tensor, fields: Mapping[str, Tensor]) -> Float[Tensor, "equation point"]:
        rows = list(super().residuals_of(points, fields))
        values = self.hidden_term(self.features(points, fields))
        for place, value in zip(self.places, values.unbind(-1), strict=True):
            rows[place] = rows[place] - value
        return torch.stack(rows)

    def hidden_term(self, features: Float[Tensor, "point feature"]) -> Float[Tensor, "point term"]:
        """G where its inputs have these values, in the units of the equations."""
        return self.term_scale * self.term(features)

    def features(self, points: Tensor, fields: Mapping[str, Tensor]) -> Float[Tensor, "point feature"]:
        """The inputs of G at points where the unknowns and derivatives have these values."""
        coordinates = dict(zip(self.equations.coordinates, points.unbind(-1), strict=True))
        return torch.stack([fields[d.name] if isinstance(d, Derivative) else coordinates[d] for d in self.inputs], -1)

    def truth(self, points: Tensor, fields: Mapping[str, Tensor]) -> Float[Tensor, "point term"]:
        """The terms that were taken out. Raises InvalidArgument where nobody knows them."""
        texts = [self.hidden.terms[name] for name in self.hidden.equations]
        if any(text is None for text in texts):
            raise InvalidArgument("the hidden term has no text to be compared with: name it in HiddenTerms.terms")
        expressions = [self.whole.term(text) for text in texts if text is not None]
        return self.whole.evaluate(points, fields, self.whole.problem.values, expressions).T

    @torch.no_grad()
    def samples(self, points: Tensor | Sequence[Tensor], *, excluded: float = EXCLUDED) -> xr.Dataset:
        """Features and hidden terms on the visited set: `features` (sample, feature), `values` (sample, term).

        points: (point, axis), the same for every trajectory or one set each. excluded: share of each axis left out at
        either end, where derivatives rest on one side only and most of the error is. `truth` (sample, term) is there
        where the terms are known.
        """
        low, high = (torch.tensor(ends).to(self.scale) for ends in domain(self.equations.problem))
        margin = check_number("excluded", excluded, low=0.0, high=0.49) * (high - low)
        sets = [points] * len(self.surrogates) if isinstance(points, Tensor) else points
        known = all(text is not None for text in self.hidden.terms.values())
        features, values, truths, numbers = [], [], [], []
        for trajectory, every in enumerate(points_of.to(self.scale) for points_of in sets):
            inside = every[((every >= low + margin) & (every <= high - margin)).all(-1)]
            fields = self.surrogate(trajectory).fields(inside)
            features.append(self.features(inside, fields))
            values.append(self.hidden_term(features[-1]))
            truths.append(self.truth(inside, fields) if known else values[-1])
            numbers.append(torch.full((len(inside),), trajectory))
        names = [d.name if isinstance(d, Derivative) else d for d in self.inputs]
        variables: dict[str, Any] = {"truth": ("sample term", torch.cat(truths), "hidden term of the problem")}
        return labelled(
            {"problem": self.equations.problem.name, "equation": self.equations.problem.equation},
            features=("sample feature", torch.cat(features), "inputs of the hidden term"),
            values=("sample term", torch.cat(values), "hidden term"),
            trajectory=("sample", torch.cat(numbers), "trajectory"),
            feature=("feature", names, "input"),
            term=("term", list(self.hidden.equations), "equation"),
            **(variables if known else {}),
        )

    def term_error(self, points: Tensor | Sequence[Tensor], *, excluded: float = 0.0) -> xr.Dataset:
        """Relative L2 error of the hidden terms on the visited set: `error` of all, `term_error` (term) of each."""
        held = self.samples(points, excluded=excluded)
        if "truth" not in held:
            raise InvalidArgument("the hidden term has no text to be compared with: name it in HiddenTerms.terms")
        difference, truth = held["values"] - held["truth"], held["truth"]
        each = (difference**2).sum("sample") ** 0.5 / (truth**2).sum("sample") ** 0.5
        whole = float((difference**2).sum() ** 0.5 / (truth**2).sum() ** 0.5)
        return labelled(
            {},
            error=("", whole, "relative L2 error of the hidden terms on the visited set"),
            term_error=("term", each.values, "relative L2 error of a hidden term on the visited set"),
            term=("term", held["term"].values, "equation"),
        )


def read_inputs(equations: Equations, hidden: HiddenTerms) -> tuple[Derivative | str, ...]:
    """The inputs of G as derivatives, or coordinates where they are a forcing's. Raises InvalidArgument."""
    inputs: list[Derivative | str] = []
    for name in hidden.inputs:
        if name in equations.coordinates and name not in equations.unknowns:
            if not hidden.forcing:
                raise InvalidArgument(
                    f"inputs must not hold the coordinate {name!r}: such a term solves every equation and nothing is "
                    "discovered; say forcing=True for a forcing that depends on it"
                )
            inputs.append(name)
        else:
            inputs.append(equations.derivative(name))
    return tuple(inputs)


def term_network(
    equations: Equations,
    inputs: Sequence[Derivative | str],
    hidden: HiddenTerms,
    measurements: Measurements,
    *,
    seed: int,
) -> JetNetwork:
    """G before it is scaled: every input is standardised by the data."""
    pairs = zip(*domain(equations.problem), strict=True)
    lengths = dict(zip(equations.coordinates, pairs, strict=True))
    ends: list[tuple[float, float]] = []
    for index, entry in enumerate(inputs):
        if not isinstance(entry, Derivative):
            ends.append(lengths[entry])
            continue
        row = equations.unknowns.index(entry.unknown)
        spread = float(measurements.scale[row])
        for axis in entry.axes:
            # a wave over the axis, since the data hold no derivative
            spread *= 2 * math.pi / (lengths[axis][1] - lengths[axis][0])
        spread = hidden.scales[index] if hidden.scales else spread
        middle = 0.0 if entry.axes else float(measurements.mean[row])
        ends.append((middle - spread, middle + spread))
    low, high = zip(*ends, strict=True)
    return JetNetwork(low, high, len(hidden.terms), hidden.architecture, seed=seed + TERM_SEED)


def _derivatives(inputs: Sequence[Derivative | str]) -> list[Derivative]:
    return [entry for entry in inputs if isinstance(entry, Derivative)]
