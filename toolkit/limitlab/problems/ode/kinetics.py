"""Reactions, oscillating chemistry and nerve cells: the stiff reference problems, and cells that fire or oscillate."""

from __future__ import annotations

from limitlab.problems.base import Field, Invariant, Parameter
from limitlab.problems.laws import Box, Draw, Drawn
from limitlab.problems.ode.problem import ODEProblem, Reference

SPECIES = tuple(Field(f"y{k}", f"concentration {k}", latex=f"y_{{{k}}}") for k in range(1, 9))

PER_PAIR = "cell/(1e5 h)"
NAN = float("nan")

VAN_DER_POL = ODEProblem(
    name="van_der_pol",
    title="Van der Pol oscillator",
    equation="x' = v; v' = mu*(1 - x^2)*v - x",
    states=(Field("x", "position"), Field("v", "velocity")),
    parameters=(Parameter("mu", 1000.0, 0.1, 1e6, "nonlinear damping", latex=r"\mu", scale="log"),),
    initial=(2.0, 0.0),
    law=Box((-2.0, -0.5), (2.0, 0.5)),
    span=2000.0,
    frames=2001,
    stiff=True,
    # below, up to three hundred rounds fit into the span, which explicit steps follow at a fraction of the cost
    stiff_from={"mu": 30.0},
    max_steps=100_000,
    references=(Reference(2000.0, (1.70616773, -8.92809701e-4)),),
    source="van der Pol 1926; Hairer & Wanner, Solving ODEs II",
)

PROBLEMS: tuple[ODEProblem, ...] = (
    ODEProblem(
        name="robertson",
        title="Robertson's reaction",
        equation="y1' = -k1*y1 + k3*y2*y3; y2' = k1*y1 - k3*y2*y3 - k2*y2^2; y3' = k2*y2^2",
        states=SPECIES[:3],
        parameters=(
            Parameter("k1", 0.04, 0.01, 0.1, "slow reaction", latex="k_{1}", scale="log"),
            Parameter("k2", 3e7, 1e6, 1e8, "very fast reaction", latex="k_{2}", scale="log"),
            Parameter("k3", 1e4, 1e3, 1e5, "fast reaction", latex="k_{3}", scale="log"),
        ),
        initial=(1.0, 0.0, 0.0),
        law=Drawn(("1 - a", "0", "a"), (Draw("a", 0.0, 0.3),)),
        span=40.0,
        frames=401,
        stiff=True,
        # y2 stays near 1e-5 and falls to 1e-13 on long spans
        atol=1e-14,
        invariants=(Invariant("mass", "y1 + y2 + y3", "whole mass"),),
        references=(
            Reference(40.0, (0.715827069, 9.18553476e-6, 0.284163746)),
            Reference(4e5, (4.93827452e-3, 1.98499409e-8, 0.995061706)),
            Reference(1e11, (2.08334015e-8, 8.33336077e-14, 0.999999979)),
        ),
        source="Robertson 1966; double precision only",
    ),
    VAN_DER_POL,
    ODEProblem(
        name="van_der_pol_mild",
        title="Van der Pol oscillator, mild damping",
        equation=VAN_DER_POL.equation,
        states=VAN_DER_POL.states,
        parameters=(Parameter("mu", 0.43, 0.1, 8.0, "nonlinear damping", latex=r"\mu"),),
        initial=(2.0, 0.0),
        law=Box(-2.0, 2.0),
        span=25.0,
        frames=501,
        source="van der Pol 1926",
    ),
    ODEProblem(
        name="hires",
        title="HIRES: high irradiance responses",
        equation="y1' = -1.71*y1 + 0.43*y2 + 8.32*y3 + 0.0007; "
        "y2' = 1.71*y1 - 8.75*y2; "
        "y3' = -10.03*y3 + 0.43*y4 + 0.035*y5; "
        "y4' = 8.32*y2 + 1.71*y3 - 1.12*y4; "
        "y5' = -1.745*y5 + 0.43*(y6 + y7); "
        "y6' = -280*y6*y8 + 0.69*y4 + 1.71*y5 - 0.43*y6 + 0.69*y7; "
        "y7' = 280*y6*y8 - 1.81*y7; "
        "y8' = -280*y6*y8 + 1.81*y7",
        states=SPECIES,
        initial=(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057),
        span=321.8122,
        frames=322,
        stiff=True,
        invariants=(Invariant("pigment", "y7 + y8", "bound and free enzyme"),),
        references=(
            Reference(
                321.8122,
                (
                    7.37131257e-4,
                    1.44248573e-4,
                    5.88872974e-5,
                    1.17565134e-3,
                    2.38635620e-3,
                    6.23896825e-3,
                    2.84999840e-3,
                    2.85000160e-3,
                ),
            ),
        ),
        source="Schaefer 1975; Hairer & Wanner, Solving ODEs II",
    ),
    ODEProblem(
        name="apoptosis",
        title="Apoptosis: caspases and their inhibitor",
        equation="x1' = -k1*x4*x1 + kd1*x5; "
        "x2' = kd2*x5 - k3*x2*x3 + (kd3 + kd4)*x6; "
        "x3' = -k3*x2*x3 + kd3*x6; "
        "x4' = kd4*x6 - k1*x4*x1 + kd1*x5 - k5*x7*x4 + kd5*x8 + kd2*x5; "
        "x5' = k1*x4*x1 - (kd1 + kd2)*x5; "
        "x6' = k3*x2*x3 - (kd3 + kd4)*x6; "
        "x7' = -k5*x7*x4 + (kd5 + kd6)*x8; "
        "x8' = k5*x7*x4 - (kd5 + kd6)*x8",
        states=tuple(
            Field(f"x{k}", meaning, "1e5/cell", f"x_{{{k}}}")
            for k, meaning in enumerate(
                (
                    "procaspase 8",
                    "caspase 8",
                    "procaspase 3",
                    "caspase 3",
                    "caspase 3 on procaspase 8",
                    "caspase 8 on procaspase 3",
                    "inhibitor",
                    "inhibitor on caspase 3",
                ),
                start=1,
            )
        ),
        # the published rates a second times 3600, and 3.6e8 where two of 1e5 molecules meet
        parameters=(
            Parameter("k1", 0.9612, 0.1, 10.0, "caspase 3 binds procaspase 8", PER_PAIR, "k_{1}", "log"),
            Parameter("k3", 24.48, 2.0, 200.0, "caspase 8 binds procaspase 3", PER_PAIR, "k_{3}", "log"),
            Parameter("k5", 25200.0, 2500.0, 2.5e5, "the inhibitor binds caspase 3", PER_PAIR, "k_{5}", "log"),
            Parameter("kd1", 36.0, 4.0, 400.0, "caspase 3 leaves procaspase 8", "1/h", "k_{d1}", "log"),
            Parameter("kd2", 28.8, 3.0, 300.0, "caspase 8 is cut free", "1/h", "k_{d2}", "log"),
            Parameter("kd3", 180.0, 18.0, 1800.0, "caspase 8 leaves procaspase 3", "1/h", "k_{d3}", "log"),
            Parameter("kd4", 3.6, 0.4, 40.0, "caspase 3 is cut free", "1/h", "k_{d4}", "log"),
            Parameter("kd5", 0.06012, 0.006, 0.6, "the inhibitor leaves caspase 3", "1/h", "k_{d5}", "log"),
            Parameter("kd6", 0.6012, 0.06, 6.0, "caspase 3 is broken down", "1/h", "k_{d6}", "log"),
            Parameter("inhibitor", 0.029, 0.01, 0.5, "inhibitor at the start: 0.29 saves the cell", "1e5/cell", "X"),
        ),
        initial=(1.34, 1.0, 2.67, 0.0, 0.0, 0.0, "inhibitor", 0.0),
        law=Drawn(("a", "1", "b", "0", "0", "0", "inhibitor", "0"), (Draw("a", 1.0, 1.7), Draw("b", 2.0, 3.3))),
        span=60.0,
        frames=601,
        time_unit="h",
        stiff=True,
        atol=1e-12,
        invariants=(
            Invariant("inhibitor_total", "x7 + x8", "free and bound inhibitor"),
            Invariant("caspase_8", "x1 + x2 + x5 + x6", "caspase 8 in all its forms"),
        ),
        # death; and survival, where caspase 3 is caught before it has cut all of caspase 8 free
        references=(
            Reference(60.0, (NAN, 2.34, NAN, 1.59534168, NAN, NAN, NAN, 0.0289995230)),
            Reference(60.0, (0.0130901081, 2.32690989, *(NAN,) * 6), values={"inhibitor": 0.29}),
        ),
        source="Aldridge, Haller, Sorger, Lauffenburger 2006; in hours by Yazdani et al. 2020",
    ),
    ODEProblem(
        name="oregonator",
        title="Oregonator",
        equation="y1' = s*(y2 + y1*(1 - q*y1 - y2)); y2' = (y3 - (1 + y1)*y2)/s; y3' = w*(y1 - y3)",
        states=SPECIES[:3],
        parameters=(
            Parameter("s", 77.27, 50.0, 100.0, "ratio of time scales"),
            Parameter("q", 8.375e-6, 1e-6, 1e-4, "consumption of y1", scale="log"),
            Parameter("w", 0.161, 0.05, 0.5, "rate of y3"),
        ),
        initial=(1.0, 2.0, 3.0),
        span=360.0,
        frames=1801,
        stiff=True,
        references=(Reference(360.0, (1.00081487, 1228.17852, 132.055494)),),
        source="Field & Noyes 1974; Hairer & Wanner, Solving ODEs II",
    ),
    ODEProblem(
        name="brusselator",
        title="Brusselator",
        equation="u' = A + u^2*v - (B + 1)*u; v' = B*u - u^2*v",
        states=(Field("u", "activator"), Field("v", "inhibitor")),
        parameters=(Parameter("A", 1.0, 0.5, 3.0, "feed of u"), Parameter("B", 3.0, 1.0, 8.0, "feed of v")),
        initial=(1.5, 3.0),
        law=Box(0.5, 4.0),
        span=20.0,
        frames=401,
        references=(Reference(20.0, (0.49863707, 4.59678035)),),
        source="Prigogine & Lefever 1968; oscillates for B > 1 + A^2",
    ),
    ODEProblem(
        name="selkov",
        title="Sel'kov's oscillating glycolysis",
        equation="x' = -x + a*y + x^2*y; y' = b - a*y - x^2*y",
        states=(Field("x", "ADP"), Field("y", "F6P")),
        parameters=(Parameter("a", 0.06, 0.01, 0.14, "uncatalysed rate"), Parameter("b", 0.6, 0.1, 1.2, "feed")),
        initial=(0.4, 0.31),
        law=Box(0.1, 2.0),
        span=40.0,
        frames=401,
        source="Sel'kov 1968; oscillates where (1 - 2a - sqrt(1 - 8a))/2 < b^2 < (1 - 2a + sqrt(1 - 8a))/2",
    ),
    ODEProblem(
        name="schnakenberg",
        title="Schnakenberg's reaction",
        equation="u' = a - u + u^2*v; v' = b - u^2*v",
        states=(Field("u", "activator"), Field("v", "substrate")),
        parameters=(Parameter("a", 0.05, 0.01, 0.3, "feed of u"), Parameter("b", 0.5, 0.1, 1.5, "feed of v")),
        initial=(0.5, 1.0),
        law=Box(0.1, 2.0),
        span=60.0,
        frames=601,
        source="Schnakenberg 1979; oscillates for b - a > (a + b)^3",
    ),
    ODEProblem(
        name="gray_scott_cell",
        title="Gray-Scott reaction in a stirred cell",
        equation="u' = -u*v^2 + F*(1 - u); v' = u*v^2 - (F + k)*v",
        states=(Field("u", "substrate"), Field("v", "catalyst")),
        parameters=(Parameter("F", 0.035, 0.005, 0.1, "feed"), Parameter("k", 0.06, 0.02, 0.08, "removal")),
        initial=(0.5, 0.25),
        law=Box((0.2, 0.1), (1.0, 0.5)),
        span=300.0,
        frames=601,
        source="Gray & Scott 1983",
    ),
    ODEProblem(
        name="fitzhugh_nagumo",
        title="FitzHugh-Nagumo nerve cell",
        equation="v' = v - v^3/3 - w + I; w' = eps*(v + a - b*w)",
        states=(Field("v", "membrane potential"), Field("w", "recovery")),
        parameters=(
            Parameter("eps", 0.08, 0.01, 0.5, "ratio of time scales", latex=r"\varepsilon", scale="log"),
            Parameter("a", 0.7, 0.0, 1.5, "shift of the recovery"),
            Parameter("b", 0.8, 0.1, 1.5, "slope of the recovery"),
            Parameter("I", 0.5, 0.0, 1.5, "current"),
        ),
        initial=(-1.0, 1.0),
        law=Box(-2.0, 2.0),
        span=200.0,
        frames=1001,
        source="FitzHugh 1961, Nagumo et al. 1962",
    ),
    ODEProblem(
        name="hodgkin_huxley",
        title="Hodgkin-Huxley nerve cell",
        # V/(1 - exp(-V)) = 1/exprel(-V): the rates are finite at V = -40 and V = -55
        equation="V' = (I - gNa*m^3*h*(V - 50) - gK*n^4*(V + 77) - gL*(V + 54.387))/C; "
        "m' = (1 - m)/exprel(-(V + 40)/10) - 4*exp(-(V + 65)/18)*m; "
        "h' = 0.07*exp(-(V + 65)/20)*(1 - h) - h/(1 + exp(-(V + 35)/10)); "
        "n' = 0.1*(1 - n)/exprel(-(V + 55)/10) - 0.125*exp(-(V + 65)/80)*n",
        states=(
            Field("V", "membrane potential", "mV"),
            Field("m", "sodium activation"),
            Field("h", "sodium inactivation"),
            Field("n", "potassium activation"),
        ),
        parameters=(
            Parameter("I", 10.0, 0.0, 30.0, "current", "uA/cm^2"),
            Parameter("gNa", 120.0, 60.0, 180.0, "sodium conductance", "mS/cm^2", r"g_{\mathrm{Na}}"),
            Parameter("gK", 36.0, 18.0, 60.0, "potassium conductance", "mS/cm^2", r"g_{\mathrm{K}}"),
            Parameter("gL", 0.3, 0.1, 1.0, "leak conductance", "mS/cm^2", r"g_{\mathrm{L}}"),
            Parameter("C", 1.0, 0.5, 2.0, "capacitance", "uF/cm^2"),
        ),
        initial=(-65.0, 0.0529, 0.5961, 0.3177),
        law=Box((-75.0, 0.0, 0.3, 0.2), (-45.0, 0.2, 0.7, 0.5)),
        span=100.0,
        frames=1001,
        time_unit="ms",
        source="Hodgkin & Huxley 1952, with the resting potential at -65 mV",
    ),
)
