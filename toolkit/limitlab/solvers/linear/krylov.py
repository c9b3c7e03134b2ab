"""Conjugate gradients and what is like them, for many right-hand sides at once.

A sample that has converged stays as it is while others go on: its steps have length zero. Nobody's convergence depends
on the batch that it is in. Where constants are the kernel of A, right-hand side and iterates keep the mean zero.

Sources: Hestenes & Stiefel (1952); Notay, Flexible conjugate gradients (2000); for the window of conjugate directions
Kaneda et al., A deep conjugate direction method (2023), algorithm 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.interruption import ask_to_go_on
from limitlab.solvers.linear.deflation import Deflation
from limitlab.solvers.linear.solution import LinearSolution
from limitlab.solvers.linear.stencil import LinearOperator

Apply = Callable[[Tensor], Tensor]
RENEWED = 50
"""Iterations after which the residual is computed anew, since the recurrence drifts."""
ASKED = 8
"""Iterations on an accelerator between two looks at whether all have converged, each of which waits for it."""


def conjugate_gradients(
    operator: LinearOperator,
    b: Float[Tensor, "batch *grid"],
    *,
    preconditioner: Apply | None = None,
    deflation: Deflation | None = None,
    initial: Float[Tensor, "batch *grid"] | None = None,
    tolerance: float = 1e-8,
    max_iterations: int | None = None,
    reference: Float[Tensor, "batch *grid"] | None = None,
) -> LinearSolution:
    """x with |b - A x| <= tolerance |b|, A symmetric and positive (semi)definite.

    preconditioner: r -> z, symmetric and positive. deflation: directions that need not be found. initial: x before the
    first step. reference: the solution, for the history of the error in the energy norm. Raises InvalidArgument; what
    does not converge within max_iterations says so in the solution.

    >>> A = ll.solvers.linear.diffusion((31, 31))
    >>> b = torch.ones(1, 31, 31, dtype=torch.float64)
    >>> multigrid = ll.solvers.linear.Multigrid(A)
    >>> [int(ll.solvers.linear.conjugate_gradients(A, b, preconditioner=p).iterations) for p in (None, multigrid)]
    [58, 9]
    """
    run = _Run(operator, b, initial, tolerance, max_iterations, reference, preconditioner)
    return _descended(run, deflation, flexible=False)


def flexible_conjugate_gradients(
    operator: LinearOperator,
    b: Float[Tensor, "batch *grid"],
    preconditioner: Apply,
    *,
    initial: Float[Tensor, "batch *grid"] | None = None,
    tolerance: float = 1e-8,
    max_iterations: int | None = None,
    reference: Float[Tensor, "batch *grid"] | None = None,
) -> LinearSolution:
    """The same for a preconditioner that is not linear, not symmetric, or changes, such as a network.

    Source: Notay, Flexible conjugate gradients (2000); the quotient is Polak and Ribiere's.

    >>> A, b = ll.solvers.linear.diffusion((31, 31)), torch.ones(1, 31, 31, dtype=torch.float64)
    >>> cycle = ll.solvers.linear.Multigrid(A)
    >>> bent = lambda r: cycle(r) * (1 + 0.3 * torch.sin(1e3 * r))
    >>> int(ll.solvers.linear.flexible_conjugate_gradients(A, b, bent).iterations)
    14
    """
    return _descended(
        _Run(operator, b, initial, tolerance, max_iterations, reference, preconditioner), None, flexible=True
    )


def _descended(run: _Run, deflation: Deflation | None, *, flexible: bool) -> LinearSolution:
    x, r = run.start(deflation)
    direction = previous = torch.zeros_like(r)
    old = torch.zeros(len(r), dtype=r.dtype, device=r.device)
    for iteration in range(1, run.most + 1):
        z = run.precondition(r)
        inner = _inner(r, z)
        # Fletcher and Reeves, or Polak and Ribiere, which forgives a preconditioner that changes; zero at first
        beta = _quotient(inner - (_inner(previous, z) if flexible else 0.0), old)
        new = z if deflation is None else deflation.projected(z)
        direction = run.centred(new + _over(beta, r) * direction)
        image = run.product(direction)
        step = run.step_along(inner, direction, image)
        previous, old = r, torch.where(run.going, inner, old)
        x = x + _over(step, x) * direction
        r = run.renewed(x, r - _over(step, r) * image, iteration)
        if run.ended(x, r, iteration):
            break
    return run.solution(x)


def conjugate_directions(
    operator: LinearOperator,
    b: Float[Tensor, "batch *grid"],
    direction: Apply,
    *,
    window: int = 2,
    initial: Float[Tensor, "batch *grid"] | None = None,
    tolerance: float = 1e-8,
    max_iterations: int | None = None,
    reference: Float[Tensor, "batch *grid"] | None = None,
) -> LinearSolution:
    """The same for directions of any origin, such as a network's: each is made A-orthogonal to the `window` before it.

    direction: a function of the residual over its norm, (batch, *grid). Steps are those of the exact line search: the
    error in the energy norm never grows. Raises InvalidArgument.
    Source: Kaneda et al. (2023), algorithm 1.

    >>> A = ll.solvers.linear.diffusion((15, 15))
    >>> b = torch.ones(1, 15, 15, dtype=torch.float64)
    >>> int(ll.solvers.linear.conjugate_directions(A, b, lambda r: r).iterations)
    27
    """
    window = int(check_number("window", window, low=0, integer=True))
    run = _Run(operator, b, initial, tolerance, max_iterations, reference, direction)
    x, r = run.start(None)
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    for iteration in range(1, run.most + 1):
        norm = _inner(r, r).sqrt()
        d = run.precondition(r / _over(torch.where(norm > 0, norm, 1.0), r))
        for earlier, image, energy in kept:
            d = d - _over(_quotient(_inner(d, image), energy), d) * earlier
        d = run.centred(d)
        image = run.product(d)
        step = run.step_along(_inner(r, d), d, image)
        kept = [*kept, (d, image, _inner(d, image))][-window:] if window else []
        x = x + _over(step, x) * d
        r = run.renewed(x, r - _over(step, r) * image, iteration)
        if run.ended(x, r, iteration):
            break
    return run.solution(x)


def stationary(
    operator: LinearOperator,
    b: Float[Tensor, "batch *grid"],
    smoother: Apply,
    *,
    initial: Float[Tensor, "batch *grid"] | None = None,
    tolerance: float = 1e-8,
    max_iterations: int | None = None,
    reference: Float[Tensor, "batch *grid"] | None = None,
) -> LinearSolution:
    """x <- x + M (b - A x), M a smoother or a multigrid cycle: Jacobi's and Gauss and Seidel's methods, or multigrid.

    >>> A = ll.solvers.linear.diffusion((31, 31))
    >>> b = torch.ones(1, 31, 31, dtype=torch.float64)
    >>> int(ll.solvers.linear.stationary(A, b, ll.solvers.linear.Multigrid(A)).iterations) < 20
    True
    """
    run = _Run(operator, b, initial, tolerance, max_iterations, reference, smoother)
    x, r = run.start(None)
    for iteration in range(1, run.most + 1):
        x = torch.where(_over(run.going, x), run.centred(x + run.precondition(r)), x)
        r = run.residual(x)
        if run.ended(x, r, iteration):
            break
    return run.solution(x)


@dataclass
class _Run:
    """One solve: what it is asked, who goes on, and what was counted."""

    operator: LinearOperator
    b: Tensor
    initial: Tensor | None
    tolerance: float
    max_iterations: int | None
    reference: Tensor | None
    preconditioner: Any
    matvecs: int = 0
    preconditionings: int = 0
    residuals: list[Tensor] = field(default_factory=list)
    errors: list[Tensor] = field(default_factory=list)
    counts: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape = self.operator.shape
        for name in ("b", "initial", "reference"):
            value = getattr(self, name)
            fits = isinstance(value, Tensor) and value.shape[1:] == shape and value.shape == self.b.shape
            if not fits and (value is not None or name == "b"):
                got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise InvalidArgument(f"{name} must have shape (batch, {', '.join(map(str, shape))}); got {got}")
        if not self.b.is_floating_point() or not bool(torch.isfinite(self.b).all()):
            raise InvalidArgument("b must hold finite floating-point numbers")
        self.tolerance = check_number("tolerance", self.tolerance, low=0.0)
        if self.tolerance < torch.finfo(self.b.dtype).eps:
            raise InvalidArgument(f"tolerance {self.tolerance:g} is below the rounding of {self.b.dtype}: pass float64")
        most = 10 * math.prod(shape) if self.max_iterations is None else self.max_iterations
        self.most = int(check_number("max_iterations", most, low=1, integer=True))
        self.b = self.b.detach()
        if self.operator.singular:
            self._require_compatible()
        self.scale = _inner(self.b, self.b).sqrt()
        self.began = time.perf_counter()

    def _require_compatible(self) -> None:
        mean = self.b - self.centred(self.b)
        if bool((_inner(mean, mean).sqrt() > 1e-6 * _inner(self.b, self.b).sqrt()).any()):
            raise InvalidArgument(
                "b must have mean zero over the unknowns where nothing can flow out: else there is no solution"
            )
        self.b = self.centred(self.b)

    def start(self, deflation: Deflation | None) -> tuple[Tensor, Tensor]:
        x = torch.zeros_like(self.b) if self.initial is None else self.centred(self.initial.detach().clone())
        r = self.b.clone() if self.initial is None else self.residual(x)
        if deflation is not None:
            x = x + deflation.coarse(r)
            r = self.residual(x)
        self.iterations = torch.zeros(len(self.b), dtype=torch.long, device=self.b.device)
        self.going = torch.ones(len(self.b), dtype=torch.bool, device=self.b.device)
        self.indefinite = torch.zeros_like(self.going)
        self._record(x, r)
        return x, r

    def residual(self, x: Tensor) -> Tensor:
        return self.b - self.product(x)

    def renewed(self, x: Tensor, r: Tensor, iteration: int) -> Tensor:
        """The residual by its recurrence, computed anew now and then for those that go on."""
        return r if iteration % RENEWED else torch.where(_over(self.going, r), self.residual(x), r)

    def step_along(self, slope: Tensor, direction: Tensor, image: Tensor) -> Tensor:
        """The length of the step that makes the energy least, zero for those that have converged."""
        energy = _inner(direction, image)
        self.indefinite = self.indefinite | (self.going & (energy < 0))
        return torch.where(self.going, _quotient(slope, energy), 0.0)

    def product(self, u: Tensor) -> Tensor:
        self.matvecs += 1
        with torch.no_grad():
            return self.operator(u)

    def precondition(self, r: Tensor) -> Tensor:
        if self.preconditioner is None:
            return r
        self.preconditionings += 1
        with torch.no_grad():
            return self.centred(self.preconditioner(r))

    def centred(self, u: Tensor) -> Tensor:
        if not self.operator.singular:
            return u
        live = getattr(self.operator, "live", torch.ones((), dtype=torch.bool, device=u.device)).expand(u.shape[1:])
        axes = tuple(range(1, u.dim()))
        mean = u.masked_fill(~live, 0.0).sum(axes, keepdim=True) / live.sum()
        return torch.where(live, u - mean, u)

    def ended(self, x: Tensor, r: Tensor, iteration: int) -> bool:
        self.iterations = torch.where(self.going, iteration, self.iterations)
        self._record(x, r)
        if self.b.device.type != "cpu" and iteration % ASKED and iteration < self.most:
            return False
        ask_to_go_on()
        if bool(self.indefinite.any()):
            sample = int(self.indefinite.nonzero()[0])
            raise InvalidArgument(
                f"operator must be positive definite; sample {sample} has a direction of negative energy"
            )
        return not bool(self.going.any())

    def _record(self, x: Tensor, r: Tensor) -> None:
        size = _inner(r, r).sqrt()
        self.going = self.going & (size > self.tolerance * self.scale)
        self.counts.append((self.matvecs, self.preconditionings))
        self.residuals.append(size / torch.where(self.scale > 0, self.scale, 1.0))
        if self.reference is not None:
            error = x - self.reference
            with torch.no_grad():
                self.errors.append(_inner(error, self.operator(error)).clamp(min=0.0).sqrt())

    def solution(self, x: Tensor) -> LinearSolution:
        last = 1 + int(self.iterations.max())
        seconds = time.perf_counter() - self.began
        with torch.no_grad():
            true = self.b - self.operator(x)
        residual = _inner(true, true).sqrt() / torch.where(self.scale > 0, self.scale, 1.0)
        each = float(getattr(self.preconditioner, "work", 1.0)) if self.preconditioner is not None else 0.0
        # the looks at convergence are a few iterations apart: what came after the last sample's end did nothing
        matvecs, preconditionings = self.counts[last - 1]
        return LinearSolution(
            x=x,
            residuals=torch.stack(self.residuals[:last]),
            errors=torch.stack(self.errors[:last]) if self.errors else None,
            iterations=self.iterations,
            converged=~self.going & (residual <= 10 * self.tolerance),
            residual=residual,
            matvecs=matvecs,
            preconditionings=preconditionings,
            work=matvecs + each * preconditionings,
            seconds=seconds,
            setup_seconds=float(getattr(self.preconditioner, "setup_seconds", 0.0)),
        )


def _inner(u: Tensor, v: Tensor) -> Float[Tensor, " batch"]:
    return (u * v).flatten(1).sum(1)


def _over(factor: Tensor | Bool[Tensor, " batch"], like: Tensor) -> Tensor:
    return factor.reshape([-1] + [1] * (like.dim() - 1))


def _quotient(above: Tensor, below: Tensor) -> Tensor:
    """above/below, and zero where there is nothing below: a sample whose residual is zero has no direction."""
    return torch.where(below > 0, above / torch.where(below > 0, below, 1.0), 0.0)
