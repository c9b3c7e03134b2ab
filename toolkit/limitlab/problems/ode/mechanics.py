"""Oscillators, orbits, chains and lattices: ordinary equations of mechanics with their energies and momenta."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from limitlab.problems.base import Field, Invariant, Parameter
from limitlab.problems.laws import Box, Draw, Drawn, Gaussian
from limitlab.problems.ode.problem import ODEProblem

BISECTIONS = 60  # of an interval of length four: 4/2^60 is below the last bit
PLANE = (Field("x", "position x"), Field("v", "velocity v"))


def kepler_orbit(t: Tensor, y0: Tensor, values: Mapping[str, float | Tensor]) -> Tensor:
    """Bound orbits r'' = -r/|r|^3 from any start, by Kepler's equation for the change E of the eccentric anomaly.

    n t = E - (1 - r0/a) sin E + s0/sqrt(a) (1 - cos E), whose root is within 2 of n t.
    Source: Danby, Fundamentals of Celestial Mechanics, 6.7.
    """
    position, velocity = y0[:, None, :2], y0[:, None, 2:]
    r0 = position.norm(dim=-1)
    axis = 1 / (2 / r0 - velocity.square().sum(-1))
    along = (position * velocity).sum(-1) / axis.sqrt()
    motion, lean = axis**-1.5 * t, 1 - r0 / axis
    low, high = motion.detach() - 2, motion.detach() + 2
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = middle - lean * middle.sin() + along * (1 - middle.cos()) < motion
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    # a step of Newton carries the gradient of the root
    excess = low - lean * low.sin() + along * (1 - low.cos()) - motion
    change = low - excess / (1 - lean * low.cos() + along * low.sin())
    sine, cosine = change.sin(), change.cos()
    r = axis * (1 - lean * cosine + along * sine)
    f, g = 1 - axis / r0 * (1 - cosine), t - axis**1.5 * (change - sine)
    f_slope, g_slope = -axis.sqrt() / (r * r0) * sine, 1 - axis / r * (1 - cosine)
    places = f[..., None] * position + g[..., None] * velocity
    return torch.cat([places, f_slope[..., None] * position + g_slope[..., None] * velocity], -1)


PROBLEMS: tuple[ODEProblem, ...] = (
    ODEProblem(
        name="damped_oscillator",
        title="Damped oscillator",
        equation="x' = v; v' = -2*zeta*omega*v - omega^2*x",
        states=PLANE,
        parameters=(
            Parameter("omega", 2.0, 0.5, 10.0, "frequency without damping", latex=r"\omega"),
            Parameter("zeta", 0.1, 0.0, 2.0, "damping ratio", latex=r"\zeta"),
        ),
        initial=(1.0, 0.0),
        law=Box(-2.0, 2.0),
        span=20.0,
        frames=401,
        solution="linear",
        invariants=(Invariant("energy", "omega^2*x^2 + v^2", "twice the energy", ("zeta",)),),
        source="critical damping at zeta = 1",
    ),
    ODEProblem(
        name="saturating_oscillator",
        title="Oscillator with saturating rates",
        equation="x' = y/(1 + y); y' = -x/(1 + x)",
        states=(Field("x", "first component"), Field("y", "second component")),
        initial=(0.5, 0.5),
        law=Box(-0.6, 1.0),
        span=10.0,
        frames=100,
        # x' = dH/dy, y' = -dH/dx
        invariants=(Invariant("energy", "x - log(1 + x) + y - log(1 + y)", "Hamiltonian"),),
        source="Kidger 2022, an example of its library",
    ),
    ODEProblem(
        name="pendulum",
        title="Pendulum",
        equation="theta' = v; v' = -ratio*sin(theta) - c*v",
        states=(Field("theta", "angle", "rad", r"\theta"), Field("v", "angular velocity", "rad/s")),
        parameters=(
            Parameter("ratio", 9.81, 0.5, 20.0, "gravity over length", "1/s^2", "(g/L)"),
            Parameter("c", 0.0, 0.0, 1.0, "damping", "1/s"),
        ),
        initial=(2.5, 0.0),
        law=Box((-2.5, -1.0), (2.5, 1.0)),
        span=8.0,
        frames=401,
        time_unit="s",
        invariants=(Invariant("energy", "v^2/2 - ratio*cos(theta)", "energy", ("c",)),),
        source="Huygens 1673",
    ),
    ODEProblem(
        name="pushed_pendulum",
        title="Pendulum, pushed and damped",
        equation="theta' = v; v' = -ratio*sin(theta) - c*v + push*cos(omega*t)",
        states=(Field("theta", "angle", "rad", r"\theta"), Field("v", "angular velocity", "rad/s")),
        parameters=(
            Parameter("ratio", 9.81, 0.5, 20.0, "gravity over length", "1/s^2", "(g/L)"),
            Parameter("c", 0.5, 0.0, 2.0, "damping", "1/s"),
            Parameter("push", 3.0, 0.0, 10.0, "acceleration of the push", "1/s^2", "a"),
            Parameter("omega", 2.0, 0.1, 6.0, "frequency of the push", "rad/s", r"\omega"),
        ),
        initial=(1.0, 0.0),
        law=Box((-2.0, -1.0), (2.0, 1.0)),
        span=12.0,
        frames=601,
        time_unit="s",
        source="Baker, Gollub 1996",
    ),
    ODEProblem(
        name="duffing",
        title="Unforced Duffing oscillator",
        equation="x' = v; v' = -alpha*x - beta*x^3 - delta*v",
        states=PLANE,
        parameters=(
            Parameter("alpha", -1.0, -2.0, 2.0, "linear stiffness", latex=r"\alpha"),
            Parameter("beta", 1.0, 0.0, 5.0, "cubic stiffness", latex=r"\beta"),
            Parameter("delta", 0.0, 0.0, 1.0, "damping", latex=r"\delta"),
        ),
        initial=(0.5, 0.0),
        law=Box(-2.0, 2.0),
        span=40.0,
        frames=401,
        invariants=(Invariant("energy", "v^2/2 + alpha*x^2/2 + beta*x^4/4", "energy", ("delta",)),),
        source="Duffing 1918",
    ),
    ODEProblem(
        name="kepler",
        title="Kepler's orbit",
        equation="r = sqrt(x^2 + y^2); x' = u; y' = v; u' = -x/r^3; v' = -y/r^3",
        states=(
            Field("x", "position x"),
            Field("y", "position y"),
            Field("u", "velocity in x"),
            Field("v", "velocity in y"),
        ),
        parameters=(Parameter("e", 0.6, 0.0, 0.95, "eccentricity"),),
        initial=("1 - e", 0.0, 0.0, "sqrt((1 + e)/(1 - e))"),
        law=Drawn(
            (
                "(1 - e)*cos(a)",
                "(1 - e)*sin(a)",
                "-sqrt((1 + e)/(1 - e))*sin(a)",
                "sqrt((1 + e)/(1 - e))*cos(a)",
            ),
            (Draw("a", 0.0, 6.283185307179586),),
        ),
        span=62.83185307179586,
        frames=1001,
        solution=kepler_orbit,
        invariants=(
            Invariant("energy", "(u^2 + v^2)/2 - 1/sqrt(x^2 + y^2)", "energy, -1/2"),
            Invariant("momentum", "x*v - y*u", "angular momentum, sqrt(1 - e^2)"),
            Invariant("laplace_x", "v*(x*v - y*u) - x/sqrt(x^2 + y^2)", "Laplace's vector in x"),
            Invariant("laplace_y", "-u*(x*v - y*u) - y/sqrt(x^2 + y^2)", "Laplace's vector in y"),
        ),
        source="Kepler 1609; period 2 pi",
    ),
    ODEProblem(
        name="rigid_body",
        title="Euler's rigid body",
        equation="w1' = (I2 - I3)/I1*w2*w3; w2' = (I3 - I1)/I2*w3*w1; w3' = (I1 - I2)/I3*w1*w2",
        states=tuple(Field(f"w{k}", f"angular velocity about axis {k}", latex=rf"\omega_{{{k}}}") for k in (1, 2, 3)),
        parameters=tuple(
            Parameter(f"I{k}", float(k), 0.5, 5.0, f"moment of inertia about axis {k}", latex=f"I_{{{k}}}")
            for k in (1, 2, 3)
        ),
        initial=(1.0, 0.1, 1.0),
        law=Gaussian(),
        span=30.0,
        frames=301,
        invariants=(
            Invariant("energy", "(I1*w1^2 + I2*w2^2 + I3*w3^2)/2", "energy"),
            Invariant("momentum", "sqrt((I1*w1)^2 + (I2*w2)^2 + (I3*w3)^2)", "size of the angular momentum"),
        ),
        source="Euler 1765",
    ),
    ODEProblem(
        name="henon_heiles",
        title="Henon-Heiles system",
        equation="q1' = p1; q2' = p2; p1' = -q1 - 2*q1*q2; p2' = -q2 - q1^2 + q2^2",
        states=tuple(
            Field(f"{letter}{k}", f"{meaning} {k}", latex=f"{letter}_{{{k}}}")
            for letter, meaning in (("q", "position"), ("p", "momentum"))
            for k in (1, 2)
        ),
        initial=(0.0, 0.1, "sqrt(1/4 - 0.1^2 + 2*0.1^3/3)", 0.0),
        # energies between 1/12 and 1/6 on the section q1 = 0, where every orbit is bound
        law=Drawn(
            ("0", "b", "sqrt(2*a - b^2 + 2*b^3/3)*cos(c)", "sqrt(2*a - b^2 + 2*b^3/3)*sin(c)"),
            (Draw("a", 1 / 12, 1 / 6), Draw("b", -0.3, 0.4), Draw("c", 0.0, 6.283185307179586)),
        ),
        span=200.0,
        frames=2001,
        invariants=(Invariant("energy", "(p1^2 + p2^2 + q1^2 + q2^2)/2 + q1^2*q2 - q2^3/3", "energy"),),
        source="Henon & Heiles 1964",
    ),
    ODEProblem(
        name="toda",
        title="Toda lattice",
        equation="q[i]' = p[i]; p[i]' = exp(q[i-1] - q[i]) - exp(q[i] - q[i+1])",
        states=(Field("q", "displacement"), Field("p", "momentum")),
        initial=(0.0, "sin(2*pi*i/N) + cos(4*pi*i/N)/2"),
        law=Drawn(("a/2", "b - mean(b)"), (Draw("a", 0.0, 1.0, "normal"), Draw("b", 0.0, 1.0, "normal"))),
        span=50.0,
        frames=501,
        sites=5,
        site_range=(3, 32),
        invariants=(
            Invariant("energy", "sum(p[i]^2/2 + exp(q[i] - q[i+1]))", "energy"),
            Invariant("momentum", "sum(p[i])", "whole momentum"),
        ),
        source="Toda 1967; Flaschka 1974 (the spectrum of the Lax matrix is constant)",
    ),
    ODEProblem(
        name="double_pendulum",
        title="Double pendulum",
        equation="D = theta1 - theta2; theta1' = w1; theta2' = w2;"
        "w1' = (-3*g/L*sin(theta1) - g/L*sin(theta1 - 2*theta2) - 2*sin(D)*(w2^2 + w1^2*cos(D)))/(3 - cos(2*D));"
        "w2' = sin(D)*(4*w1^2 + 4*g/L*cos(theta1) + 2*w2^2*cos(D))/(3 - cos(2*D))",
        states=(
            Field("theta1", "angle of the inner rod", "rad", r"\theta_{1}"),
            Field("theta2", "angle of the outer rod", "rad", r"\theta_{2}"),
            Field("w1", "angular velocity of the inner rod", "rad/s", r"\omega_{1}"),
            Field("w2", "angular velocity of the outer rod", "rad/s", r"\omega_{2}"),
        ),
        parameters=(
            Parameter("g", 9.81, 1.0, 20.0, "gravity", "m/s^2"),
            Parameter("L", 1.0, 0.2, 5.0, "length of each rod", "m"),
        ),
        initial=(2.0, 1.0, 0.0, 0.0),
        law=Box(-2.0, 2.0),
        span=6.0,
        frames=601,
        time_unit="s",
        invariants=(
            Invariant(
                "energy",
                "w1^2 + w2^2/2 + w1*w2*cos(theta1 - theta2) - 2*g/L*cos(theta1) - g/L*cos(theta2)",
                "energy over m L^2",
            ),
        ),
        source="equal masses and rods",
    ),
    ODEProblem(
        name="kuramoto",
        title="Kuramoto oscillators",
        equation="theta[i]' = gamma*tan(pi*(2*i - N - 1)/(2*N)) + K*mean(sin(theta[j] - theta[i]))",
        states=(Field("theta", "phase", "rad", r"\theta"),),
        parameters=(
            Parameter("K", 2.0, 0.0, 6.0, "coupling"),
            Parameter("gamma", 0.5, 0.0, 2.0, "half width of the frequencies' Lorentz law", latex=r"\gamma"),
        ),
        # golden-angle phases: spread evenly, without a random number
        initial=("2.399963229728653*i",),
        law=Drawn(("2*pi*a",), (Draw("a", 0.0, 1.0),)),
        span=50.0,
        frames=501,
        sites=100,
        site_range=(2, 1000),
        source="Kuramoto 1975; frequencies at the quantiles of the Lorentz law, critical coupling 2 gamma",
    ),
    ODEProblem(
        name="heat_lines",
        title="Heat equation by the method of lines",
        equation="u[i]' = D*(N + 1)^2*(u[i-1] - 2*u[i] + u[i+1])",
        states=(Field("u", "temperature"),),
        parameters=(Parameter("D", 1.0, 0.1, 10.0, "diffusivity", scale="log"),),
        initial=("sin(pi*i/(N + 1)) + sin(3*pi*i/(N + 1))/2",),
        law=Drawn(
            ("a*sin(pi*i/(N + 1)) + b*sin(2*pi*i/(N + 1)) + c*sin(3*pi*i/(N + 1))",),
            (Draw("a", 0.0, 1.0, "normal"), Draw("b", 0.0, 1.0, "normal"), Draw("c", 0.0, 1.0, "normal")),
            per_site=False,
        ),
        span=0.1,
        frames=101,
        sites=64,
        site_range=(8, 512),
        ends="zero",
        stiff=True,
        solution="linear",
        source="modes decay with 4 D (N + 1)^2 sin^2(k pi/(2 (N + 1)))",
    ),
)
