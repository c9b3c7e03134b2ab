"""dy = f(t, y) dt + g(t, y) dW with every step in view: `solve_sde`, the face of all schemes for stochastic equations.

| gradient | steps | cost beside the solve | memory | exactness |
|---|---|---|---|---|
| "direct" | any | one backward pass | all steps | exact for the steps taken |
| "checkpoint" | any | one more solve, one backward pass | square root of the steps | exact for the steps taken |
| "adjoint" | uniform | two evaluations and products a step | one step | converges with the step |
| "reversible" | uniform | one evaluation and product a step | one step | equal to direct up to round-off |

Increments are those of one `BrownianPath`, so that another step size, scheme or gradient sees the same noise. The path
and the step sizes are constants of the gradient. Noise and calculus: see `limitlab.solvers.sde.fields`; schemes:
`limitlab.solvers.sde.schemes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.solvers.arguments import read_times, require_finite
from limitlab.solvers.failures import failed
from limitlab.solvers.gradients.checkpoint import checkpoint
from limitlab.solvers.ode.march import March
from limitlab.solvers.ode.step_control import CONTROLLERS
from limitlab.solvers.ode.stepping import Control
from limitlab.solvers.sde.adaptive import StochasticMethod
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.fields import Calculus, Field, Fields, Noise, is_coupled, leaves, squeezed
from limitlab.solvers.sde.gradients import GRADIENTS
from limitlab.solvers.sde.schemes import SCHEMES, Scheme, milstein, scheme_named
from limitlab.solvers.sde.uniform import UniformMarch, step_grid
from limitlab.solvers.solution import Solution

Gradient = Literal["direct", "checkpoint", "adjoint", "reversible"]
FIRST_STEP = 1e-3


def solve_sde(
    drift: Field,
    diffusion: Field,
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
    max_steps: int = 10_000,
    on_failure: Literal["raise", "mask"] = "raise",
) -> Solution:
    """Solution of dy = drift dt + diffusion dW at times t, along the path `brownian`, or that of `seed`.

    drift, diffusion: (t, y) with t (batch, 1) and y (batch, state); drift returns (batch, state), diffusion (batch,
    state) for "diagonal" noise, (batch, state, 1) for "scalar", (batch, state, noise) for "commutative" and "general",
    either for "additive". t: (time,) or (batch, time), strictly increasing. step_size: uniform steps from t[0], which
    every scheme takes; without it, steps by the error, for schemes that estimate it. control: "i", "pi" or "pid".
    shared_steps: one step size for the batch. first_step: a thousandth of the path's span if left out. max_steps:
    attempts of a sample, when steps follow the error. on_failure: "mask" leaves NaN in the samples that fail.
    Steps end at the asked times. A sample's path depends on the seed and its place in the batch, or on the numbers that
    `brownian` was given; it depends on the step size too where steps are uniform, unless `brownian` is passed.
    Raises InvalidArgument, and SolutionBlewUp, TooManySteps or StepSizeUnderflow naming sample, time and step size.
    Source: Kloeden & Platen, Numerical Solution of Stochastic Differential Equations; see the modules named above.
    """
    for name, got, known in (
        ("noise", noise, get_args(Noise)),
        ("calculus", calculus, get_args(Calculus)),
        ("gradient", gradient, get_args(Gradient)),
        ("on_failure", on_failure, ("raise", "mask")),
        ("control", control, tuple(CONTROLLERS)),
    ):
        if got not in known:
            raise unknown_name(name, got, known)
    scheme = scheme_named(method, calculus, noise)
    _check_state(y0, scheme, method)
    y0 = y0.contiguous()  # forward mode refuses an expanded one
    given, times, sign = read_times("t", t, y0)
    if sign < 0:
        raise InvalidArgument("t must increase for a stochastic equation, whose noise has a direction of time")
    if step_size is not None:
        step_size = check_number("step_size", step_size, low=1e-300)
    elif noise not in scheme.adaptive:
        able = [name for name, other in SCHEMES.items() if other.fits(calculus, noise) and noise in other.adaptive]
        raise InvalidArgument(
            f"step_size must be given for {method!r} with {noise} noise: steps by its error would not converge; "
            + (f"methods that can: {', '.join(able)}" if able else f"nor would any other for calculus={calculus!r}")
        )
    start, end = float(times[:, 0].min()), float(times[:, -1].max())
    if first_step is not None:
        first_step = check_number("first_step", first_step, low=1e-300)
    tolerances = Control(
        check_number("rtol", rtol, low=0.0, high=1.0),
        check_number("atol", atol, low=1e-300),
        CONTROLLERS[control],
        shared_steps,
        int(check_number("max_steps", max_steps, low=1, integer=True)),
    )
    fields, channels, tape = _read_fields(drift, diffusion, y0, times, noise, calculus)
    if noise == "diagonal" and (scheme.step is milstein or (gradient, calculus) == ("adjoint", "ito")):
        fields = replace(fields, coupled=is_coupled(diffusion, times[:, :1].to(y0.dtype), y0))
    shape = len(y0), channels
    uniform = step_size if given.dim() == 1 else None
    if gradient in ("adjoint", "reversible") and on_failure == "mask":
        raise InvalidArgument(f"on_failure 'mask' needs gradient 'direct' or 'checkpoint'; got {gradient!r}")
    if gradient in ("adjoint", "reversible") and uniform is None:
        raise InvalidArgument(
            f"gradient {gradient!r} needs a step_size and times (time,); use 'direct' or 'checkpoint'"
        )
    with torch.set_grad_enabled(tape):
        if uniform is not None:
            grid = step_grid(times[0].cpu().numpy(), uniform)
            path = _path(seed, brownian, shape, (start, end), y0, grid.regular)
            march = UniformMarch(fields, scheme, path, grid, mask=on_failure == "mask")
            states = GRADIENTS[gradient if tape else "direct"](march, y0)
            failures = tuple(sorted(march.failures, key=lambda failure: failure.sample))
            return Solution(given, states, march.log(y0), march.evaluations(y0), method, failures=failures)
        path = _path(seed, brownian, shape, (start, end), y0, None)
        stepped = StochasticMethod(method, scheme, fields, path, estimate=step_size is None)
        first = (path.span[1] - path.span[0]) * FIRST_STEP if first_step is None else first_step
        general = March(fields.drift, stepped, times, tolerances, step_size=step_size, first=first, stops=times)
        if tape and gradient == "checkpoint":
            outcome = checkpoint(general, y0, y0, leaves(fields, times[:, :1].to(y0.dtype), y0))
        else:
            outcome = general.run(y0, y0)
    if outcome.failures and on_failure == "raise":
        raise failed(outcome.failures)
    adaptive = step_size is None
    return Solution(
        given,
        outcome.states,
        outcome.log,
        outcome.evaluations,
        method,
        rtol=rtol if adaptive else None,
        atol=atol if adaptive else None,
        failures=outcome.failures,
    )


def _check_state(y0: object, scheme: Scheme, method: str) -> None:
    if not isinstance(y0, Tensor) or y0.dim() != 2 or not y0.is_floating_point() or y0.numel() == 0:
        got = f"{tuple(y0.shape)} {y0.dtype}" if isinstance(y0, Tensor) else type(y0).__name__
        raise InvalidArgument(f"y0 must be a floating tensor (batch, state); got {got}")
    require_finite("y0", y0)
    if scheme.positive and not bool((y0 > 0).all()):
        raise InvalidArgument(f"y0 must be positive for {method!r}; its smallest value is {float(y0.min()):g}")


def _read_fields(
    drift: Field, diffusion: Field, y0: Tensor, times: Tensor, noise: Noise, calculus: Calculus
) -> tuple[Fields, int, bool]:
    """The fields with the number of their noise channels, and whether a gradient is asked for; one call of each."""
    t = times[:, :1].to(y0.dtype)
    f, g = drift(t, y0), diffusion(t, y0)
    batch, state = y0.shape
    matrix = f"({batch}, {state}, {1 if noise == 'scalar' else 'noise'})"
    accepted = {"diagonal": f"({batch}, {state})", "additive": f"{matrix} or ({batch}, {state})"}.get(noise, matrix)
    _check_output("drift", f, y0, tuple(f.shape) == (batch, state), f"({batch}, {state})")
    fits = tuple(g.shape[:2]) == (batch, state) and g.dim() in {"diagonal": (2,), "additive": (2, 3)}.get(noise, (3,))
    _check_output("diffusion", g, y0, fits and (noise != "scalar" or g.shape[2] == 1), f"{accepted} for {noise} noise")
    channels = state if g.dim() == 2 else g.shape[2]
    along = squeezed(diffusion) if noise == "scalar" else diffusion
    elementwise = noise == "scalar" or g.dim() == 2
    tape = torch.is_grad_enabled() and (f.requires_grad or g.requires_grad or y0.requires_grad)
    return Fields(drift, along, noise, calculus, elementwise, (drift, diffusion)), channels, tape


def _check_output(name: str, output: Tensor, y0: Tensor, fits: bool, accepted: str) -> None:
    if not fits or output.dtype != y0.dtype:
        raise InvalidArgument(
            f"{name} must return {accepted} in {y0.dtype}; got {tuple(output.shape)} in {output.dtype}"
        )
    require_finite(f"{name} at the initial state", output)


def _path(
    seed: int | None,
    brownian: BrownianPath | None,
    shape: tuple[int, int],
    span: tuple[float, float],
    y0: Tensor,
    grid: np.ndarray | None,
) -> BrownianPath:
    """The path that was given, if it fits, or that of the seed."""
    if seed is not None and brownian is None:
        return BrownianPath(seed, shape, span, grid=grid, dtype=y0.dtype, device=y0.device)
    if seed is not None or brownian is None:
        raise InvalidArgument(f"give one of seed and brownian, the noise; got {'neither' if seed is None else 'both'}")
    fits = brownian.span[0] <= span[0] and span[1] <= brownian.span[1]
    if brownian.shape != shape or not fits or (brownian.dtype, brownian.device) != (y0.dtype, y0.device):
        raise InvalidArgument(
            f"brownian must have shape {shape}, the dtype {y0.dtype} on {y0.device}, and a span that holds "
            f"[{span[0]:g}, {span[1]:g}]; got {brownian!r} of {brownian.dtype} on {brownian.device}"
        )
    return brownian
