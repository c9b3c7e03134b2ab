"""Whether a solve can be made by machine code: a recipe, or the reason why torch has to make it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.solvers.derivatives import is_watched
from limitlab.solvers.methods.esdirk import Esdirk
from limitlab.solvers.methods.explicit import ExplicitMethod
from limitlab.solvers.methods.method import Method
from limitlab.solvers.methods.rosenbrock import Rosenbrock
from limitlab.solvers.native.frame import Frame
from limitlab.solvers.native.listing import Listed, Listing
from limitlab.solvers.ode.step_control import Control, Controller

Ordered = TypeVar("Ordered")
Coded = ExplicitMethod | Rosenbrock | Esdirk

MOST_OPERATIONS = 4000  # of an attempt: more take seconds to compile
MOST_ELIMINATED = 8  # rows
OF_THE_SOLVE = {"jacobian", "rtol", "atol"}
EPS = torch.finfo(torch.float64).eps


class Wish(NamedTuple):
    """A solve as `solve_ode` has read it.

    torch_alone: the names of options that only torch has, of those given. stops: times that steps have to end at.
    """

    field: Callable[[Tensor, Any], Any]
    method: Method
    control: Control
    state: Float[Tensor, "batch state"]
    sign: float
    torch_alone: Sequence[str]
    stops: Float[Tensor, "batch stops"] | None = None


@dataclass(frozen=True)
class Recipe:
    """All that decides the code of a solve; equal recipes have equal code.

    linear: df/dy, row by row, and df/dt, where the method takes them. sign: of the caller's time. limited: whether
    there is a longest step. uniform: whether the steps are given. sided: whether the field may jump between steps.
    """

    field: Listing
    linear: Listing | None
    method: Coded
    controller: Controller
    sign: float = 1.0
    limited: bool = False
    uniform: bool = False
    sided: bool = False

    @property
    def error_order(self) -> int:
        """Exponent of the local error; one where there is no estimate."""
        return self.method.error_order or 1

    @property
    def limit(self) -> float:
        """What the scaled error is compared with."""
        return self.controller.limit(self.error_order)

    @property
    def calls(self) -> int:
        """Of the field in any attempt; iterations are counted as they are made."""
        calls = 0 if isinstance(self.method, Esdirk) else self.method.calls - self._left_open
        return calls + self.sided

    @property
    def extra_calls(self) -> int:
        """Of the field in a step with outputs."""
        return len(self.extra_stages) + self._left_open

    @property
    def frame(self) -> Frame:
        given = len(self.field.given) + (0 if self.linear is None else len(self.linear.given))
        return Frame(len(self.field.outputs), len(self.method.polynomials), given)

    @property
    def extra_stages(self) -> list[tuple[float, tuple[float, ...]]]:
        """Node and weights of the stages that the continuous extension alone needs."""
        if not isinstance(self.method, ExplicitMethod):
            return []
        return list(zip(self.method.tableau.extra_c, self.method.tableau.extra_a, strict=True))

    @property
    def _left_open(self) -> int:
        """Calls that torch puts off to the outputs: the slope at the end, where no step takes it over."""
        return self.method.calls - self.method.open_ended().calls if self.sided else 0


class Order(NamedTuple):
    """The recipe of the code, and the numbers that it has to be given: the field's, and those of `Esdirk.leftover`."""

    recipe: Recipe
    given: tuple[float | Tensor, ...]
    iteration: tuple[float, float] = (0.0, 0.0)


def order_or_reason(wish: Wish) -> Order | str:
    """What to make machine code of, or why there is none."""
    listed: Listed | None = getattr(wish.field, "listed", None)
    if listed is None:
        return "the field is not known as formulas (`problem.field()` is), or has sites or means over them"
    if wish.torch_alone:
        return f"{', '.join(wish.torch_alone)} is torch's alone"
    if (unfit := unfit_for_code(wish.state, listed.given)) is not None:
        return unfit
    tensors = [value for value in listed.given if isinstance(value, Tensor)]
    if any(tuple(tensor.shape) not in ((), (1,), (len(wish.state),)) for tensor in tensors):
        return "parameters must be numbers, or one for each sample"
    method, size = wish.method, wish.state.shape[1]
    if not isinstance(method, Coded):
        return f"{method.name!r} is not among the methods that have code: explicit, Rosenbrock and ESDIRK ones"
    if len(listed.listing.outputs) != size:
        return f"the field has {len(listed.listing.outputs)} components, the state {size}"
    linear = None
    if method.jacobians:
        if size > MOST_ELIMINATED:
            return f"matrices of more than {MOST_ELIMINATED} rows are torch's; got {size}"
        linear = wish.field.linearized  # type: ignore[attr-defined]
    operations = _operations(method, size, listed.listing, linear and linear.listing)
    if operations > MOST_OPERATIONS:
        return f"an attempt has about {operations} operations, and more than {MOST_OPERATIONS} take long to compile"
    if (missing := _missing()) is not None:
        return missing
    control = wish.control
    limited, uniform, sided = control.max_step is not None, control.step_size is not None, wish.stops is not None
    recipe = Recipe(
        listed.listing, linear and linear.listing, _bare(method), control.controller, wish.sign, limited, uniform, sided
    )
    given = listed.given if linear is None else (*listed.given, *linear.given)
    return Order(recipe, given, method.leftover(size, EPS) if isinstance(method, Esdirk) else (0.0, 0.0))


def unfit_for_code(state: Tensor, given: Iterable[float | Tensor]) -> str | None:
    """Why there is no code for these numbers, of whatever equation; None where there may be."""
    if state.dtype != torch.float64 or state.device.type != "cpu":
        return f"states must be of float64 on the CPU; got {state.dtype} on {state.device}"
    if any(is_watched(value) for value in (state, *given) if isinstance(value, Tensor)):
        return "a gradient is asked for, or a tangent"
    return None


def allowed(answer: Ordered | str, backend: str) -> Ordered | None:
    """The order; None where torch has to make the solve. Raises InvalidArgument where it may not."""
    if not isinstance(answer, str):
        return answer
    if backend == "native":
        raise InvalidArgument(f"backend='native' cannot make this solve: {answer}")
    return None


def _bare(method: Coded) -> Coded:
    """The method without the solve's own: its code has the Jacobian of the formulas, and is given tolerances."""
    own: dict[str, Any] = {field.name: field.default for field in fields(method) if field.name in OF_THE_SOLVE}
    return replace(method, **own) if own else method


def _operations(method: Coded, size: int, field: Listing, linear: Listing | None) -> int:
    """About how many instructions the code of an attempt has."""
    calls = method.calls if field.is_short else 1
    stages = len(method.polynomials)
    sums = stages**2 * size
    if linear is not None:
        sums += len(linear.body) + size**3 + 2 * stages * size**2
    return calls * len(field.body) + sums


def _missing() -> str | None:
    try:
        import limitlab.solvers.native.driver  # noqa: F401
    except (ImportError, RuntimeError) as problem:
        # numba raises RuntimeError where no folder for its cache can be written
        return f"numba cannot be used here: {problem!s:.100}"
    return None
