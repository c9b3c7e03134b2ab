"""Chaotic systems, most in three dimensions; some in the time scale of the PROSE data set, as their titles say.

Solutions of two solvers part after a few Lyapunov times (Lorenz: 1/0.906), so pointwise errors mean little beyond one.
"""

from __future__ import annotations

from collections.abc import Mapping

from limitlab.problems.base import Field, Parameter
from limitlab.problems.laws import Box, Nearby
from limitlab.problems.ode.problem import ODEProblem, Reference

UVW = tuple(Field(name, f"coordinate {name}") for name in "uvw")
XYZ = tuple(Field(name, f"coordinate {name}") for name in "xyz")
NEAR = Box(-2.0, 2.0)


def _parameters(ends: Mapping[str, tuple[float, float]] | None = None, **centers: float) -> tuple[Parameter, ...]:
    """Parameters from half to one and a half times a centre, or between their `ends`; Greek names as Greek letters.

    ends: where half or one and a half of the centre, alone or with the others at their ends, throws trajectories out.
    """
    greek = {name: rf"\{name}" for name in ("alpha", "beta", "gamma", "delta", "omega", "rho", "sigma")}
    # a negative centre turns its ends round
    ranges = {name: sorted((0.5 * center, 1.5 * center)) for name, center in centers.items()} | dict(ends or {})
    return tuple(
        Parameter(name, centers[name], low, high, f"parameter {name}", latex=greek.get(name))
        for name, (low, high) in ranges.items()
    )


PROBLEMS: tuple[ODEProblem, ...] = (
    ODEProblem(
        name="lorenz",
        title="Lorenz 63",
        equation="x' = sigma*(y - x); y' = x*(rho - z) - y; z' = x*y - beta*z",
        states=XYZ,
        parameters=(
            Parameter("sigma", 10.0, 1.0, 20.0, "Prandtl number", latex=r"\sigma"),
            Parameter("rho", 28.0, 0.5, 50.0, "Rayleigh number over its critical value", latex=r"\rho"),
            Parameter("beta", 8 / 3, 0.5, 5.0, "aspect of the cell", latex=r"\beta"),
        ),
        initial=(1.0, 1.0, 1.0),
        law=NEAR,
        span=25.0,
        frames=2501,
        references=(Reference(1.0, (-9.37857001, -8.35703379, 29.36232534), error=2e-9),),
        source="Lorenz 1963",
    ),
    ODEProblem(
        name="rossler",
        title="Roessler attractor",
        equation="u' = -v - w; v' = u + a*v; w' = b + w*(u - c)",
        states=UVW,
        parameters=_parameters(a=0.1, b=0.1, c=14.0),
        initial=(1.0, 1.0, 0.0),
        law=NEAR,
        span=100.0,
        frames=2001,
        source="Roessler 1976",
    ),
    ODEProblem(
        name="thomas",
        title="Thomas's cyclically symmetric attractor",
        equation="u' = sin(v) - b*u; v' = sin(w) - b*v; w' = sin(u) - b*w",
        states=UVW,
        parameters=_parameters(b=0.17),
        initial=(1.0, 0.5, 0.0),
        law=NEAR,
        span=200.0,
        frames=2001,
        source="Thomas 1999",
    ),
    ODEProblem(
        name="aizawa",
        title="Aizawa attractor, modified",
        equation="u' = (w - b)*u - d*v; v' = d*u + (w - b)*v; w' = c + a*w - w^3/3 - u^2 + f*w*u^3",
        states=UVW,
        # f w u^3 is what can throw a trajectory out: where it is strong and the rotation slow
        parameters=_parameters({"d": (2.5, 5.25), "f": (0.05, 0.11)}, a=0.95, b=0.7, c=0.6, d=3.5, f=0.1),
        initial=(0.1, 0.0, 0.0),
        law=NEAR,
        span=50.0,
        frames=2001,
        source="Langford 1984; the classical form has -(u^2 + v^2)(1 + e w)",
    ),
    ODEProblem(
        name="chen_lee",
        title="Chen-Lee attractor",
        equation="u' = a*u - v*w; v' = -10*v + u*w; w' = d*w + u*v/3",
        states=UVW,
        parameters=_parameters(a=5.0, d=-0.38),
        initial=(1.0, 1.0, 1.0),
        law=NEAR,
        span=30.0,
        frames=2001,
        source="Chen & Lee 2004",
    ),
    ODEProblem(
        name="dadras",
        title="Dadras attractor, at half speed",
        equation="u' = v/2 - a*u + b*v*w; v' = c*v - u*w/2 + w/2; w' = d*u*v - e*w",
        states=UVW,
        parameters=_parameters(a=1.25, b=1.15, c=0.75, d=0.8, e=4.0),
        initial=(1.0, 1.0, 1.0),
        law=NEAR,
        span=50.0,
        frames=2001,
        source="Dadras & Momeni 2009",
    ),
    ODEProblem(
        name="halvorsen",
        title="Halvorsen attractor, at a quarter of its speed",
        equation="u' = a*u - v - w - v^2/4; v' = a*v - w - u - w^2/4; w' = a*w - u - v - u^2/4",
        states=UVW,
        # with less damping every trajectory leaves; Sprott's 1.27, a quarter of it here, is just beyond for this law
        parameters=_parameters({"a": (-0.525, -0.33)}, a=-0.35),
        initial=(-1.0, 0.5, 0.0),
        law=NEAR,
        span=50.0,
        frames=2001,
        source="Sprott, Elegant Chaos, 2010",
    ),
    ODEProblem(
        name="rabinovich_fabrikant",
        title="Rabinovich-Fabrikant equations",
        equation="u' = v*(w - 1 + u^2) + gamma*u; v' = u*(3*w + 1 - u^2) + gamma*v; w' = -2*alpha*w - 2*u*v*w",
        states=UVW,
        parameters=_parameters(alpha=0.98, gamma=0.1),
        initial=(-1.0, 0.0, 0.5),
        # most starts in a box about the origin blow up before t = 1
        law=Box((-1.1, -0.1, 0.4), (-0.9, 0.1, 0.6)),
        span=50.0,
        frames=2001,
        source="Rabinovich & Fabrikant 1979",
    ),
    ODEProblem(
        name="sprott_b",
        title="Sprott B",
        equation="u' = a*v*w; v' = u - b*v; w' = c - u*v",
        states=UVW,
        parameters=_parameters(a=0.4, b=1.2, c=1.0),
        initial=(0.1, 0.1, 0.1),
        law=NEAR,
        span=100.0,
        frames=2001,
        source="Sprott 1994",
    ),
    ODEProblem(
        name="sprott_linz_f",
        title="Sprott-Linz F",
        equation="u' = v + w; v' = -u + a*v; w' = u^2 - w",
        states=UVW,
        # the attractor ends between 0.5 and 0.55, and starts from farther out leave it sooner
        parameters=_parameters({"a": (0.25, 0.5)}, a=0.5),
        initial=(0.1, 0.1, 0.1),
        law=Box(-0.1, 0.3),
        span=100.0,
        frames=2001,
        source="Sprott & Linz 2000",
    ),
    ODEProblem(
        name="four_wing",
        title="Four-wing attractor",
        equation="u' = a*u + v*w; v' = b*u + c*v - u*w; w' = -w - u*v",
        states=UVW,
        parameters=_parameters(a=0.2, b=0.01, c=-0.4),
        initial=(1.3, -0.18, 0.01),
        law=NEAR,
        span=200.0,
        frames=2001,
        source="Wang, Sun, van Wyk, Qi & van Wyk 2009",
    ),
    ODEProblem(
        name="forced_duffing",
        title="Forced Duffing oscillator",
        # time as a state: PROSE's families are autonomous
        equation="u' = 1; v' = w; w' = delta*w + alpha*v + beta*v^3 + gamma*cos(omega*u)",
        states=(Field("u", "time of the forcing"), Field("v", "position"), Field("w", "velocity")),
        parameters=_parameters(alpha=-1.0, beta=-5.0, gamma=8.0, delta=-0.02, omega=0.5),
        initial=(0.0, 1.0, 0.0),
        law=NEAR,
        span=60.0,
        frames=2001,
        source="Ueda 1979",
    ),
    ODEProblem(
        name="lorenz_96",
        title="Lorenz 96",
        equation="x[i]' = (x[i+1] - x[i-2])*x[i-1] - x[i] + F",
        states=(Field("x", "value on a circle of latitude"),),
        parameters=(Parameter("F", 8.0, 0.0, 16.0, "forcing"),),
        initial=("F + sin(2*pi*i/N)",),
        law=NEAR,
        span=20.0,
        frames=1001,
        sites=5,
        site_range=(4, 100),
        source="Lorenz 1996",
    ),
    ODEProblem(
        name="hindmarsh_rose",
        title="Hindmarsh-Rose bursting cell",
        equation="x' = y - a*x^3 + b*x^2 - z + I; y' = c - d*x^2 - y; z' = r*(s*(x - rest) - z)",
        states=(Field("x", "membrane potential"), Field("y", "fast currents"), Field("z", "slow current")),
        parameters=(
            *_parameters(a=1.0, b=3.0, c=1.0, d=5.0),
            Parameter("r", 0.006, 0.001, 0.05, "rate of the slow current", scale="log"),
            Parameter("s", 4.0, 1.0, 5.0, "strength of adaptation"),
            Parameter("rest", -1.6, -2.0, -1.0, "resting potential", latex="x_{R}"),
            Parameter("I", 3.25, 0.0, 5.0, "current"),
        ),
        initial=(-1.0, -4.0, 3.0),
        law=Box((-1.5, -6.0, 2.5), (1.0, 0.0, 3.5)),
        span=1000.0,
        frames=4001,
        # a cell that fires without a pause takes twelve steps in a unit of time
        max_steps=100_000,
        source="Hindmarsh & Rose 1984",
    ),
    ODEProblem(
        name="chua",
        title="Chua's circuit",
        equation="x' = alpha*(y - x - m1*x - (m0 - m1)/2*(abs(x + 1) - abs(x - 1))); y' = x - y + z; z' = -beta*y",
        states=XYZ,
        parameters=(
            # beyond these trajectories grow without end, where the diode of a circuit saturates
            Parameter("alpha", 15.6, 8.0, 16.0, "ratio of capacitances", latex=r"\alpha"),
            Parameter("beta", 28.0, 28.0, 50.0, "inductance", latex=r"\beta"),
            Parameter("m0", -1.143, -1.25, -1.1, "inner slope of the diode", latex="m_{0}"),
            Parameter("m1", -0.714, -0.75, -0.65, "outer slope of the diode", latex="m_{1}"),
        ),
        initial=(0.7, 0.0, 0.0),
        law=Box(-0.5, 0.5),
        span=100.0,
        frames=2001,
        source="Chua, Komuro & Matsumoto 1986",
    ),
    ODEProblem(
        name="hyper_rossler",
        title="Roessler's hyperchaos",
        equation="x' = -y - z; y' = x + a*y + w; z' = b + x*z; w' = -c*z + d*w",
        states=(*XYZ, Field("w", "coordinate w")),
        # the basin is small: Roessler gives one point, and a tenth off it w grows without end
        parameters=_parameters(
            {"a": (0.22, 0.25), "b": (2.5, 3.2), "c": (0.45, 0.5), "d": (0.05, 0.055)}, a=0.25, b=3.0, c=0.5, d=0.05
        ),
        initial=(-10.0, -6.0, 0.0, 10.0),
        law=Nearby(0.02),
        span=100.0,
        frames=2001,
        source="Roessler 1979",
    ),
)
