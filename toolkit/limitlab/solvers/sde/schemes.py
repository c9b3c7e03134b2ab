"""Schemes for stochastic equations as data: one step each, and the calculus and noise for which it holds.

| scheme | calculus | noise | strong order | weak | steps by the error |
|---|---|---|---|---|---|
| euler_maruyama | Ito | any | 1/2, additive 1 | 1 | additive noise |
| tamed_euler | Ito | any | 1/2, also for drifts that grow faster than linearly | 1 | no |
| log_euler | both | not additive | 1/2; exact for geometric Brownian motion; stays positive | 1 | no |
| milstein | both | all but general | 1 | 1 | yes |
| heun | Stratonovich | any | 1, general and coupled diagonal 1/2 | 1 | yes |
| euler_heun | Stratonovich | any | 1, general and coupled diagonal 1/2 | 1 | yes |
| reversible_heun | Stratonovich | any | 1/2, additive 1 | 1 | no |
| sra1 | both | additive | 3/2 | 2 | yes |
| sri2w1 | Ito | diagonal, scalar, additive | 3/2 | 2 | yes |

Diagonal noise is coupled where g_i depends on other components than y_i; Milstein and SRI2W1 refuse it (see
`limitlab.solvers.sde.structure`). Additive noise has no calculus, so that all schemes take it. With the drift f and
increments W:

    Milstein        y + h f + g W + 1/2 g g' (W^2 - h),    Stratonovich: without h,
    tamed Euler     y + h f/(1 + h |f|) + g W,
    log-Euler       y exp((f/y - g^2/(2 y^2)) h + g W/y),    Stratonovich: without g^2,
    Heun            y* = y + h f + g W,    y + h/2 (f + f*) + 1/2 (g + g*) W,
    Euler-Heun      y* = y + g W,          y + h f + 1/2 (g + g*) W.

Estimates (Lamba 2003): |h/2 (f(y + h f) - f)| + |1/2 (g(y + g W) - g) W|, what Heun adds to Euler for drift and noise;
it becomes that of the ordinary Heun pair where there is no noise. Steps that look at the increment W prefer some of its
values. Euler & Maruyama's local error 1/2 g g' (W^2 - h) then no longer averages out, and the scheme converges to a
wrong solution however small the tolerance (Gaines & Lyons 1997): for other than additive noise it needs uniform steps.
Sources: Kloeden & Platen 1992; Hutzenthaler, Jentzen & Kloeden 2012 (tamed); Roberts 2012 (Heun); Kidger et al. 2021
(reversible Heun).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument, one_of
from limitlab.solvers.sde.fields import Calculus, Fields, Interval, Noise, State, Step, directional, drifted
from limitlab.solvers.sde.runge_kutta import sra1, sri2w1

Carry = tuple[Tensor, ...]
StepFunction = Callable[[Fields, Interval, State, Carry, bool], Step]
ANY: tuple[Noise, ...] = ("diagonal", "scalar", "additive", "commutative", "general")
ADDITIVE: tuple[Noise, ...] = ("additive",)
COMMUTATIVE: tuple[Noise, ...] = ("diagonal", "scalar", "additive", "commutative")
MULTIPLICATIVE: tuple[Noise, ...] = ("diagonal", "scalar", "commutative", "general")


@dataclass(frozen=True)
class Scheme:
    """A row of the module's table.

    step: (fields, interval, y, carry, whether to estimate) -> Step. ito, stratonovich: noise that it takes. calls: of
    the drift in a step, without and with estimate. adaptive: noise for which steps by the error converge. error_order:
    p of the error h^p. area: needs H. positive: needs positive states.
    """

    step: StepFunction
    ito: tuple[Noise, ...]
    stratonovich: tuple[Noise, ...]
    strong_order: float
    calls: tuple[int, int] = (1, 1)
    adaptive: tuple[Noise, ...] = ()
    error_order: int = 1
    area: bool = False
    positive: bool = False

    def fits(self, calculus: Calculus, noise: Noise) -> bool:
        """Whether the scheme converges to the solution that is meant."""
        return noise in (self.ito if calculus == "ito" else self.stratonovich)


def euler_maruyama(fields: Fields, at: Interval, y: State, carry: Carry, estimate: bool) -> Step:
    """One step of Euler & Maruyama."""
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    end = fields.kicked(drifted(y, at.h, f), g, at.w)
    if not estimate:
        return Step(end)
    # additive noise: g depends on the time alone
    twice_noise_error = fields.product(fields.diffusion(at.after, y) - g, at.w)
    return _estimated(fields, at, y, f, end=end, twice_noise_error=twice_noise_error)


def tamed_euler(fields: Fields, at: Interval, y: State, carry: Carry, estimate: bool) -> Step:
    """One step of Euler & Maruyama whose drift cannot move the state by more than one."""
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    # squares and a floor: the gradient of the norm at zero
    size = f.square().sum(-1, keepdim=True).add(torch.finfo(f.dtype).tiny).sqrt()
    return Step(fields.kicked(drifted(y, at.h, f / (1 + at.h * size)), g, at.w))


def log_euler(fields: Fields, at: Interval, y: State, carry: Carry, estimate: bool) -> Step:
    """One step of Euler & Maruyama for log y."""
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    rate = f / y
    if fields.calculus == "ito":
        rate = torch.addcdiv(rate, fields.variance(g), y.square(), value=-0.5)
    return Step(y * torch.exp(drifted(fields.product(g, at.w) / y, at.h, rate)))


def milstein(fields: Fields, at: Interval, y: State, carry: Carry, estimate: bool) -> Step:
    """One step of Milstein; iterated integrals are products of increments, which is all of them for such noise."""
    f = fields.drift(at.t, y)
    ito = fields.calculus == "ito"
    if fields.noise == "commutative":
        if ito:
            g, twice_shift = fields.with_correction(at.t, y)
        else:
            g, twice_shift = fields.diffusion(at.t, y), torch.zeros_like(y)
        moved = fields.product(g, at.w)
        second = directional(lambda t, y: fields.product(fields.diffusion(t, y), at.w), at.t, y, moved)
        twice = drifted(second, at.h, twice_shift, -1.0)
    else:
        g, along = fields.with_correction(at.t, y)
        square = at.w.square() - at.h if ito else at.w.square()
        twice = along if fields.noise == "additive" else along * square
    end = torch.add(fields.kicked(drifted(y, at.h, f), g, at.w), twice, alpha=0.5)
    return _estimated(fields, at, y, f, end=end, twice_noise_error=twice) if estimate else Step(end)


def heun(fields: Fields, at: Interval, y: State, carry: Carry, estimate: bool) -> Step:
    """One step of Heun."""
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    ahead = fields.kicked(drifted(y, at.h, f), g, at.w)
    f_ahead, g_ahead = fields.drift(at.after, ahead), fields.diffusion(at.after, ahead)
    end = fields.kicked(drifted(y, at.h, f + f_ahead, 0.5), g + g_ahead, at.w, 0.5)
    if not estimate:
        return Step(end)
    error = (0.5 * at.h * (f_ahead - f)).abs() + (0.5 * fields.product(g_ahead - g, at.w)).abs()
    return Step(end, (), error, (f_ahead, f, ahead, y))


def euler_heun(fields: Fields, at: Interval, y: State, carry: Carry, estimate: bool) -> Step:
    """One step of Euler's method for the drift and Heun's for the noise."""
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    g_ahead = fields.diffusion(at.after, fields.kicked(y, g, at.w))
    end = fields.kicked(drifted(y, at.h, f), g + g_ahead, at.w, 0.5)
    if not estimate:
        return Step(end)
    return _estimated(fields, at, y, f, end=end, twice_noise_error=fields.product(g_ahead - g, at.w))


def reversible_heun(fields: Fields, at: Interval, y: State, carry: Carry, estimate: bool) -> Step:
    """One step of reversible Heun; it carries a shadow z of y, with f and g there (see `reversible_start`)."""
    z, f, g = carry
    z_end = fields.kicked(drifted(torch.lerp(z, y, 2.0), at.h, f), g, at.w)  # lerp: 2 y - z
    f_end, g_end = fields.drift(at.after, z_end), fields.diffusion(at.after, z_end)
    end = fields.kicked(drifted(y, at.h, f + f_end, 0.5), g + g_end, at.w, 0.5)
    return Step(end, (z_end, f_end, g_end))


def reversible_start(fields: Fields, t: Tensor, y: State) -> Carry:
    """What reversible Heun carries into its first step."""
    return y, fields.drift(t, y), fields.diffusion(t, y)


def _estimated(fields: Fields, at: Interval, y: State, f: State, *, end: State, twice_noise_error: State) -> Step:
    """The step with the module's estimate, at the cost of one drift more."""
    ahead = drifted(y, at.h, f)
    f_ahead = fields.drift(at.after, ahead)
    error = (0.5 * at.h * (f_ahead - f)).abs() + (0.5 * twice_noise_error).abs()
    return Step(end, (), error, (f_ahead, f, ahead, y))


SCHEMES: dict[str, Scheme] = {
    "euler_maruyama": Scheme(euler_maruyama, ANY, ADDITIVE, 0.5, (1, 2), ADDITIVE),
    "tamed_euler": Scheme(tamed_euler, ANY, ADDITIVE, 0.5),
    "log_euler": Scheme(log_euler, MULTIPLICATIVE, MULTIPLICATIVE, 0.5, positive=True),
    "milstein": Scheme(milstein, COMMUTATIVE, COMMUTATIVE, 1.0, (1, 2), ANY),
    "heun": Scheme(heun, ADDITIVE, ANY, 1.0, (2, 2), ANY),
    "euler_heun": Scheme(euler_heun, ADDITIVE, ANY, 1.0, (1, 2), ANY),
    "reversible_heun": Scheme(reversible_heun, ADDITIVE, ANY, 0.5),
    "sra1": Scheme(sra1, ADDITIVE, ADDITIVE, 1.5, (2, 2), ANY, 2, area=True),
    "sri2w1": Scheme(sri2w1, ("diagonal", "scalar", "additive"), ADDITIVE, 1.5, (3, 3), ANY, 2, area=True),
}


def scheme_named(name: str, calculus: Calculus, noise: Noise) -> Scheme:
    """The scheme, if it fits. Raises UnknownName, or InvalidArgument saying which schemes do."""
    one_of("method of solve_sde", name, SCHEMES)
    if SCHEMES[name].fits(calculus, noise):
        return SCHEMES[name]
    fitting = [other for other, scheme in SCHEMES.items() if scheme.fits(calculus, noise)]
    reason = "its iterated integrals need more than increments: " if name == "milstein" and noise == "general" else ""
    raise InvalidArgument(
        f"method {name!r} does not converge for calculus={calculus!r} with noise={noise!r}: {reason}"
        f"use one of {', '.join(fitting)}"
    )


def sde_method_names() -> tuple[str, ...]:
    """Names that `solve_sde` accepts as its method.

    >>> "milstein" in ll.solvers.sde_method_names()
    True
    """
    return tuple(SCHEMES)
