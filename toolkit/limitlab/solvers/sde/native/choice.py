"""Whether uniform steps of a stochastic equation can be made by machine code: a recipe, or the reason why torch has to.

The derivatives that Milstein needs are those of the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from torch import Tensor

from limitlab.solvers.native.choice import MOST_OPERATIONS, unfit_for_code
from limitlab.solvers.native.listing import Listed, Listing
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.fields import Calculus, Fields, Noise, State
from limitlab.solvers.sde.schemes import SCHEMES, milstein, reversible_heun

MOST_STAGES = 4  # of a scheme


class Wish(NamedTuple):
    """A solve as `solve_sde` has read it; uniform: whether its steps are, at times that all samples share."""

    fields: Fields
    method: str
    path: BrownianPath
    state: State
    uniform: bool


@dataclass(frozen=True)
class Recipe:
    """All that decides the code of a solve; equal recipes have equal code.

    derivatives: of the diffusion in the states, where the scheme takes them. columns: of the diffusion, one where it
    is elementwise. channels: of the noise.
    """

    drift: Listing
    diffusion: Listing
    derivatives: Listing | None
    method: str
    noise: Noise
    calculus: Calculus
    columns: int
    channels: int

    @property
    def components(self) -> int:
        return len(self.drift.outputs)

    @property
    def streams(self) -> int:
        """How many normals a step needs of each channel: those of areas come second."""
        return 1 + SCHEMES[self.method].area

    @property
    def shadow(self) -> int:
        """How many rows are carried from step to step beside the state."""
        is_reversible = SCHEMES[self.method].step is reversible_heun
        return (2 + self.columns) * self.components if is_reversible else 0

    @property
    def lost(self) -> int:
        """The row of the first step after which a sample was not finite; states come before it, then the shadow."""
        return self.components + self.shadow

    @property
    def keys(self) -> int:
        """The first row of the channels' keys."""
        return self.lost + 1

    @property
    def rows(self) -> int:
        """Of a group's frame: what is given stands last."""
        return self.keys + self.channels + sum(len(listing.given) for listing in self._listings.values())

    @cached_property
    def parts(self) -> Mapping[str, tuple[Listing, int]]:
        """The listing of each function, and the first row of what it is given."""
        first, parts = self.keys + self.channels, {}
        for name, listing in self._listings.items():
            parts[name] = listing, first
            first += len(listing.given)
        return parts

    @property
    def _listings(self) -> dict[str, Listing]:
        listings = {"drift": self.drift, "diffusion": self.diffusion}
        return listings if self.derivatives is None else {**listings, "derivatives": self.derivatives}


class Order(NamedTuple):
    """The recipe of the code, and the numbers that drift, diffusion and derivatives have to be given."""

    recipe: Recipe
    given: tuple[float | Tensor, ...]


def order_or_reason(wish: Wish) -> Order | str:
    """What to make machine code of, or why there is none."""
    fields, size, channels = wish.fields, wish.state.shape[1], wish.path.shape[1]
    drift, diffusion = fields.originals
    listed = [_listed(field, "listed") for field in (drift, diffusion)]
    takes_derivatives = SCHEMES[wish.method].step is milstein and fields.noise != "additive"
    if takes_derivatives:
        listed.append(_listed(diffusion, "linearized"))
    parts = [part for part in listed if part is not None]
    if len(parts) < len(listed):
        return "drift and diffusion are not both known as formulas (those of a problem are), or have sites"
    if not wish.uniform:
        return "steps by the error, and times of each sample's own, are torch's: give a step_size and times (time,)"
    given = tuple(value for part in parts for value in part.given)
    if (unfit := unfit_for_code(wish.state, given)) is not None:
        return unfit
    columns = 1 if fields.elementwise else channels
    outputs = [len(part.listing.outputs) for part in parts[:2]]
    if outputs != [size, size * columns]:
        return f"drift and diffusion have {outputs} entries, the state {size} and the noise {channels} channels"
    operations = MOST_STAGES * sum(len(part.listing.body) for part in parts)
    if operations > MOST_OPERATIONS:
        return f"a step has about {operations} operations, and more than {MOST_OPERATIONS} take long to compile"
    if (missing := _missing()) is not None:
        return missing
    derivatives = parts[2].listing if takes_derivatives else None
    recipe = Recipe(
        parts[0].listing, parts[1].listing, derivatives, wish.method, fields.noise, fields.calculus, columns, channels
    )
    return Order(recipe, given)


def _listed(field: Any, name: str) -> Listed | None:
    return getattr(field, name, None)


def _missing() -> str | None:
    try:
        import llvmlite.binding  # noqa: F401
    except (ImportError, OSError) as problem:
        return f"LLVM cannot be used here: {problem!s:.100}"
    return None
