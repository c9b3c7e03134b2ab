"""dy = f(t, y) dt + g(t, y) dW with every step in view: `solve_sde`, the face of all schemes for stochastic equations.

| gradient | steps | cost beside the solve | memory | exactness |
|---|---|---|---|---|
| "direct" | any | one backward pass | all steps | exact for the steps taken |
| "checkpoint" | any | one more solve, one backward pass | square root of the steps | exact for the steps taken |
| "adjoint" | uniform | two evaluations and products a step | one step | converges with the step |
| "reversible" | uniform | one evaluation and product a step | one step | equal to direct up to round-off |

Increments are those of one `BrownianPath`, so that another step size, scheme or gradient sees the same noise. The path
and the step sizes are constants of the gradient. Noise and calculus: see `limitlab.solvers.sde.fields`; schemes:
`limitlab.solvers.sde.schemes`; what a scheme needs of the noise is proved: `limitlab.solvers.sde.structure`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, digits, one_of
from limitlab.numbers import resolves, rounding_of
from limitlab.solvers.arguments import (
    Backend,
    Gradient,
    OnFailure,
    read_control,
    read_times,
    require_finite,
    require_known,
    require_unmapped,
)
from limitlab.solvers.copying import first_call
from limitlab.solvers.derivatives import outside_inference_mode, require_derivative
from limitlab.solvers.failures import failed
from limitlab.solvers.gradients.checkpoint import checkpoint
from limitlab.solvers.methods.method import VectorField
from limitlab.solvers.native.choice import allowed
from limitlab.solvers.ode.march import March, Outcome
from limitlab.solvers.sde.adaptive import stochastic_method
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.fields import Calculus, Fields, Noise, leaves, squeezed
from limitlab.solvers.sde.gradients import GRADIENTS
from limitlab.solvers.sde.native.choice import Order, Wish, order_or_reason
from limitlab.solvers.sde.schemes import SCHEMES, Scheme, milstein, scheme_named
from limitlab.solvers.sde.structure import Structure, beside, is_coupled
from limitlab.solvers.sde.uniform import UniformMarch, step_grid
from limitlab.solvers.solution import Solution

FIRST_STEP = 1e-3  # of the span: slopes say nothing about the scale of the noise


@outside_inference_mode
def solve_sde(
    drift: VectorField,
    diffusion: VectorField,
    y0: Float[Tensor, "batch state"],
    t: Tensor | Sequence[float],
    *,
    seed: int | None = None,
    brownian: BrownianPath | None = None,
    method: str = "euler_maruyama",
    noise: Noise = "diagonal",
    calculus: Calculus = "ito",
    step_size: float | None = None,
    rtol: float = 1e-2,
    atol: float = 1e-3,
    control: str = "pi",
    shared_steps: bool = False,
    gradient: Gradient = "direct",
    first_step: float | None = None,
    max_step: float | None = None,
    max_steps: int = 10_000,
    on_failure: OnFailure = "raise",
    log_states: bool = False,
    backend: Backend = "auto",
) -> Solution:
    """Solution of dy = drift dt + diffusion dW at times t, along the path `brownian`, or that of `seed`.

    drift, diffusion: (t, y) with t (batch, 1) and y (batch, state); drift returns (batch, state), diffusion (batch,
    state) for "diagonal" noise, (batch, state, 1) for "scalar", (batch, state, noise) for "commutative" and "general",
    either for "additive". gradient: a way of the module's table, "direct", "checkpoint", "adjoint" or "reversible".
    t: (time,) or (batch, time), strictly increasing, which drift and diffusion get in the precision of y, or in double
    where that of y cannot tell the times of the span apart. step_size: uniform steps from t[0], which every scheme
    takes; without it, steps by the error, for schemes that estimate it. control: "i", "pi" or "pid".
    shared_steps: one step size for the batch. first_step: a thousandth of the path's span if left out. max_step: the
    longest step, and max_steps: attempts of a sample, when steps follow the error. on_failure: "mask" leaves NaN in the
    samples that fail. Steps end at the asked times. A sample's path depends on the seed and its index in the batch, or
    on the numbers that `brownian` was given; it depends on the step size too where steps are uniform, unless `brownian`
    is passed. log_states: the log has the state of every attempt, where steps follow the error.
    backend: "native", machine code for drift and diffusion that are known as formulas, as those of a problem are, along
    uniform steps without a gradient (`limitlab.solvers.sde.native`); "torch"; or "auto", the first of them that can.
    Raises InvalidArgument, and SolutionBlewUp, TooManySteps or StepSizeUnderflow naming sample, time and step size.
    Source: Kloeden & Platen, Numerical Solution of Stochastic Differential Equations; see the modules named above.

    >>> growth, noise = lambda t, y: 0.5 * y, lambda t, y: 0.2 * y
    >>> ll.solvers.solve_sde(growth, noise, torch.ones(3, 1), [0.0, 0.5, 1.0], seed=0, step_size=0.1)
    Solution(euler_maruyama: 3 samples at 3 times, y (3, 3, 1); steps 10, rejected 0, field calls 11 a sample)
    """
    one_of("noise", noise, get_args(Noise))
    one_of("calculus", calculus, get_args(Calculus))
    require_known(gradient=gradient, on_failure=on_failure, backend=backend)
    settings = read_control(
        rtol=rtol, atol=atol, control=control, shared_steps=shared_steps, max_steps=max_steps, step_size=step_size,
        first_step=first_step, max_step=max_step,
    )  # fmt: skip
    scheme = scheme_named(method, calculus, noise)
    _check_state(y0, scheme, method)
    y0 = y0.contiguous()  # forward mode refuses an expanded one
    t, times, sign = read_times("t", t, y0)
    if sign < 0:
        raise InvalidArgument("t must increase for a stochastic equation, whose noise has a direction of time")
    _check_steps(scheme, method, calculus, noise, uniform=step_size is not None, log_states=log_states)
    uniform = settings.step_size is not None and t.dim() == 1
    _check_gradient(gradient, on_failure, uniform)
    times = times.contiguous() if brownian is None else _on_the_path(times, brownian)
    time_dtype = y0.dtype if resolves(y0.dtype, times[:, :1], times[:, -1:]) else torch.float64
    start = times[:, :1].to(time_dtype)
    fields, channels, tape = _read_fields(drift, diffusion, start, y0, noise=noise, calculus=calculus)
    corrected = gradient == "adjoint" and calculus == "ito"
    if noise != "additive" and (scheme.step is milstein or corrected):
        _require_derivative(fields.diffusion, start, y0, method)
    structure = Structure(fields.diffusion, noise, method, calculus)
    structure.require(start, y0)
    if noise == "diagonal" and (scheme.step is milstein or corrected):
        fields = replace(fields, coupled=any(is_coupled(fields.diffusion, start, y) for y in (y0, beside(y0.detach()))))
    # of noise, so that asking for more times leaves the path as it is; NumPy cannot read tensors within torch.func.jvp
    grid = step_grid(np.array(times[0].tolist()), settings.step_size) if uniform and settings.step_size else None
    span = float(times[:, 0].min()), float(times[:, -1].max())
    path = _read_path(seed, brownian, y0, channels, span=span, grid=None if grid is None else grid.regular)
    order = _native_order(Wish(fields, method, path, y0, grid is not None), backend)
    with torch.set_grad_enabled(tape):
        if grid is not None:
            march = UniformMarch(fields, scheme, path, grid, mask=on_failure == "mask")
            outcome = _along_grid(march, y0, gradient if tape else "direct", order)
        else:
            stepped = stochastic_method(method, scheme, fields, path, estimate=step_size is None)
            first = (path.span[1] - path.span[0]) * FIRST_STEP if first_step is None else settings.first_step
            settings = replace(settings, first_step=first)
            general = March(fields.drift, stepped, times, settings, stops=times, log_states=log_states)
            if tape and gradient == "checkpoint":
                outcome = checkpoint(general, y0, y0, leaves(fields, (times[:, :1], times[:, -1:]), y0))
            else:
                outcome = general.run(y0, y0)
    if outcome.failures and on_failure == "raise":
        raise failed(outcome.failures)
    structure.require_along(times, outcome.states)
    return Solution(
        t,
        outcome.states,
        outcome.log,
        outcome.evaluations,
        method,
        rtol=rtol if step_size is None else None,
        atol=atol if step_size is None else None,
        failures=outcome.failures,
        backend="torch" if order is None else "native",
    )


def _native_order(wish: Wish, backend: Backend) -> Order | None:
    """What machine code is made of; None where torch makes the steps."""
    return None if backend == "torch" else allowed(order_or_reason(wish), backend)


def _along_grid(march: UniformMarch, y0: Tensor, gradient: Gradient, order: Order | None) -> Outcome:
    """All samples at the same times, by machine code where it is ordered."""
    if order is None:
        states = GRADIENTS[gradient](march, y0)
    else:
        # LLVM takes a tenth of a second to load
        from limitlab.solvers.sde.native.solve import solve_natively

        states = solve_natively(order, march, y0)
    failures = tuple(sorted(march.failures, key=lambda failure: failure.sample))
    return Outcome(states, march.log(y0), march.evaluations(y0), failures)


def _require_derivative(diffusion: VectorField, t: Tensor, y0: Tensor, method: str) -> None:
    reader = f"{method!r}" if SCHEMES[method].step is milstein else "gradient 'adjoint' of an Ito equation"
    remedy = f"{reader} needs it: take a method without derivatives, such as 'euler_maruyama' or 'heun'"
    require_derivative("diffusion", diffusion, t, y0, remedy)


def _check_steps(
    scheme: Scheme, method: str, calculus: Calculus, noise: Noise, *, uniform: bool, log_states: bool
) -> None:
    if uniform and log_states:
        raise InvalidArgument("log_states is for steps that follow the error; got a step_size")
    if uniform or noise in scheme.adaptive:
        return
    names = [name for name, other in SCHEMES.items() if other.fits(calculus, noise) and noise in other.adaptive]
    raise InvalidArgument(
        f"step_size must be given for {method!r} with {noise} noise: steps by its error would not converge; "
        + (f"methods that can: {', '.join(names)}" if names else f"nor would any other for calculus={calculus!r}")
    )


def _check_gradient(gradient: Gradient, on_failure: OnFailure, uniform: bool) -> None:
    if gradient in ("direct", "checkpoint"):
        return
    if on_failure == "mask":
        raise InvalidArgument(f"on_failure 'mask' needs gradient 'direct' or 'checkpoint'; got {gradient!r}")
    if not uniform:
        raise InvalidArgument(
            f"gradient {gradient!r} needs a step_size and times (time,); use 'direct' or 'checkpoint'"
        )


def _check_state(y0: object, scheme: Scheme, method: str) -> None:
    if not isinstance(y0, Tensor) or y0.dim() != 2 or not y0.is_floating_point() or y0.numel() == 0:
        got = f"{tuple(y0.shape)} {y0.dtype}" if isinstance(y0, Tensor) else type(y0).__name__
        raise InvalidArgument(f"y0 must be a floating tensor (batch, state); got {got}")
    if y0.dtype not in (torch.float32, torch.float64):
        raise InvalidArgument(f"y0 must be of float32 or float64, as the noise is; got {y0.dtype}")
    require_unmapped("y0", y0)
    require_finite("y0", y0)
    if scheme.positive and not bool((y0 > 0).all()):
        raise InvalidArgument(f"y0 must be positive for {method!r}; its smallest value is {float(y0.min()):g}")


def _read_fields(
    drift: VectorField,
    diffusion: VectorField,
    t: Float[Tensor, "batch 1"],
    y0: Float[Tensor, "batch state"],
    *,
    noise: Noise,
    calculus: Calculus,
) -> tuple[Fields, int, bool]:
    """The fields with the number of their noise channels, and whether a gradient is asked for; one call of each."""
    originals = drift, diffusion
    try:
        (drift, f), (diffusion, g) = first_call(drift, t, y0), first_call(diffusion, t, y0)
    except RuntimeError as problem:
        if t.dtype == y0.dtype:
            raise
        raise InvalidArgument(
            f"drift and diffusion get t in {t.dtype}, as {y0.dtype} cannot tell times like {float(t[0]):.15g} apart: "
            f"let them return {y0.dtype}, or count t from the start of the span; {problem!s:.200}"
        ) from problem
    batch, state = y0.shape
    matrix = f"({batch}, {state}, {1 if noise == 'scalar' else 'noise'})"
    accepted = {"diagonal": f"({batch}, {state})", "additive": f"{matrix} or ({batch}, {state})"}.get(noise, matrix)
    fits = tuple(f.shape) == (batch, state)
    _check_output("drift", f, y0, fits, accepted=f"({batch}, {state})", time_dtype=t.dtype)
    fits = tuple(g.shape[:2]) == (batch, state) and g.dim() in {"diagonal": (2,), "additive": (2, 3)}.get(noise, (3,))
    fits = fits and (noise != "scalar" or g.shape[2] == 1)
    _check_output("diffusion", g, y0, fits, accepted=f"{accepted} for {noise} noise", time_dtype=t.dtype)
    channels = state if g.dim() == 2 else g.shape[2]
    along = squeezed(diffusion) if noise == "scalar" else diffusion
    elementwise = noise == "scalar" or g.dim() == 2
    tape = torch.is_grad_enabled() and (f.requires_grad or g.requires_grad or y0.requires_grad)
    return Fields(drift, along, noise, calculus, elementwise, originals, time_dtype=t.dtype), channels, tape


def _check_output(name: str, output: Tensor, y0: Tensor, fits: bool, *, accepted: str, time_dtype: torch.dtype) -> None:
    if not fits or output.dtype != y0.dtype:
        double = "" if time_dtype == y0.dtype else ", which gets t in torch.float64 as the times are far from zero,"
        raise InvalidArgument(
            f"{name}{double} must return {accepted} in {y0.dtype}; got {tuple(output.shape)} in {output.dtype}"
        )
    require_finite(f"{name} at the initial state", output)


def _read_path(
    seed: int | None,
    brownian: BrownianPath | None,
    y0: Float[Tensor, "batch state"],
    channels: int,
    *,
    span: tuple[float, float],
    grid: np.ndarray | None,
) -> BrownianPath:
    """The path that was passed, if it fits, or that of the seed."""
    shape = len(y0), channels
    if seed is not None and brownian is None:
        return BrownianPath(seed, shape, span, grid=grid, dtype=y0.dtype, device=y0.device)
    if seed is not None or brownian is None:
        raise InvalidArgument(f"give one of seed and brownian, the noise; got {'neither' if seed is None else 'both'}")
    fits = brownian.span[0] <= span[0] and span[1] <= brownian.span[1]
    if brownian.shape != shape or not fits or (brownian.dtype, brownian.device) != (y0.dtype, y0.device):
        start, end, first, last = digits(*span, *brownian.span)
        raise InvalidArgument(
            f"brownian must have shape {shape}, the dtype {y0.dtype} on {y0.device}, and a span that holds "
            f"[{start}, {end}]; got {brownian!r} on [{first}, {last}] of {brownian.dtype} on {brownian.device}"
        )
    return brownian


def _on_the_path(times: Float[Tensor, "batch time"], brownian: BrownianPath) -> Float[Tensor, "batch time"]:
    """The times; those beyond the path by rounding alone moved to its ends."""
    inside = times.clamp(*brownian.span)
    margin = 4 * max(rounding_of(times), rounding_of(np.array(brownian.span)))
    return torch.where((inside - times).abs() <= margin, inside, times)
