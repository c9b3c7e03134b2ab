"""Evolution equations of several fields or in the plane, each a row of data: text, parameters, initial law, span.

Parameters (F, k) of Gray and Scott: gliders .014 .054, bubbles .098 .057, maze .029 .057, worms .058 .065, spirals
.018 .051, spots .030 .062 (Ohana et al. 2024). Its patterns are larger against the box than theirs, whose D is 2e-5 on
a box of length 2: cubic products leave a quarter of the solver's waves clean, and these must resolve a spot.
"""

from __future__ import annotations

from limitlab.problems.pde.laws import TextLaw
from limitlab.problems.pde.problem import Field, Parameter
from limitlab.problems.pde.spectral_system import SpectralSystem
from limitlab.problems.pde.system_laws import GaussianFields, Independent, Seeds, WaveLaw

_U = Field("u", "solution u")
_V = Field("v", "rate of change u_t")
_SPEED = Parameter("c", 1.0, 0.1, 4.0, "speed of waves")
_INTERFACE = Parameter("eps", 0.05, 0.04, 0.2, "interface width", latex=r"\varepsilon", scale="log")

PROBLEMS: tuple[SpectralSystem, ...] = (
    SpectralSystem(
        name="reaction_diffusion",
        title="Logistic growth that diffuses",
        equation="u_t = nu*u_xx + rho*u*(1 - u)",
        fields=(_U,),
        operator=("u", "u"),
        parameters=(
            Parameter("nu", 0.5, 0.05, 5.0, "diffusivity", latex=r"\nu", scale="log"),
            Parameter("rho", 1.0, 0.1, 10.0, "rate of growth", latex=r"\rho", scale="log"),
        ),
        initial=Independent((WaveLaw(modes=5, amplitude=0.49, mean=0.5),)),
        dt=0.005,
        span=1.0,
        frames=41,
        default_resolution=128,
        solution=("1/(1 + 9*exp(-rho*t))",),
        source="Takamoto et al. 2022 (PDEBench); Fisher 1937",
    ),
    SpectralSystem(
        name="wave",
        title="Wave equation",
        equation="u_t = v; v_t = c^2*u_xx",
        fields=(_U, _V),
        operator=("u", "u"),
        parameters=(_SPEED,),
        initial=Independent((WaveLaw(modes=5), WaveLaw(modes=5, amplitude=10.0))),
        dt=0.01,
        span=1.0,
        frames=41,
        solution=("cos(2*pi*c*t)*sin(2*pi*x)", "-2*pi*c*sin(2*pi*c*t)*sin(2*pi*x)"),
        source="d'Alembert 1747",
    ),
    SpectralSystem(
        name="wave_2d",
        title="Wave equation in the plane",
        equation="u_t = v; v_t = c^2*(u_xx + u_yy)",
        fields=(_U, _V),
        operator=("u", "u"),
        parameters=(_SPEED,),
        initial=Independent((WaveLaw(modes=3), TextLaw("0"))),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        dt=0.01,
        span=1.0,
        frames=21,
        default_resolution=64,
        solution=(
            "cos(10*pi*c*t)*sin(6*pi*x)*cos(8*pi*y)",
            "-10*pi*c*sin(10*pi*c*t)*sin(6*pi*x)*cos(8*pi*y)",
        ),
        source="Euler 1759",
    ),
    SpectralSystem(
        name="allen_cahn_2d",
        title="Allen-Cahn equation in the plane",
        equation="u_t = eps^2*(u_xx + u_yy) + u - u^3",
        fields=(_U,),
        operator=("u", "u"),
        parameters=(_INTERFACE,),
        initial=Independent((WaveLaw(modes=3, amplitude=0.9),)),
        lengths=(2.0, 2.0),
        starts=(-1.0, -1.0),
        dt=0.05,
        span=10.0,
        frames=21,
        default_resolution=64,
        minimum_resolution=128,
        source="Allen & Cahn 1979",
    ),
    SpectralSystem(
        name="gray_scott",
        title="Gray-Scott reaction and diffusion",
        equation="A_t = D*(A_xx + A_yy) - A*B^2 + F*(1 - A); B_t = D/2*(B_xx + B_yy) + A*B^2 - (F + k)*B",
        fields=(Field("A", "concentration A"), Field("B", "concentration B")),
        operator=("B", "B"),
        parameters=(
            Parameter("F", 0.03, 0.01, 0.1, "rate at which A is fed"),
            Parameter("k", 0.062, 0.045, 0.07, "rate at which B is removed, less F"),
            Parameter("D", 1e-4, 8e-5, 2e-4, "diffusivity of A, twice that of B"),
        ),
        initial=Seeds(),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        dt=1.0,
        span=1000.0,
        frames=21,
        default_resolution=64,
        minimum_resolution=128,
        source="Gray & Scott 1984; Pearson 1993; Ohana et al. 2024 (The Well)",
    ),
    SpectralSystem(
        name="fitzhugh_nagumo_2d",
        title="FitzHugh-Nagumo activator and inhibitor in the plane",
        equation="u_t = D_u*(u_xx + u_yy) + u - u^3 - k - v; v_t = D_v*(v_xx + v_yy) + u - v",
        fields=(Field("u", "activator u"), Field("v", "inhibitor v")),
        operator=("u", "u"),
        parameters=(
            Parameter("D_u", 1e-3, 5e-4, 1e-2, "diffusivity of the activator", latex="D_u", scale="log"),
            Parameter("D_v", 5e-3, 5e-4, 2e-2, "diffusivity of the inhibitor", latex="D_v", scale="log"),
            Parameter("k", 5e-3, 0.0, 0.1, "threshold"),
        ),
        initial=GaussianFields(deviations=(0.5, 0.5), means=(0.0, 0.0), alpha=8.0, tau=10.0),
        lengths=(2.0, 2.0),
        starts=(-1.0, -1.0),
        axis_kind="cells",
        boundary="no flux",
        dt=0.05,
        span=5.0,
        frames=21,
        default_resolution=64,
        minimum_resolution=128,
        source="Takamoto et al. 2022 (PDEBench), whose initial white noise a cell is a smooth field here",
    ),
)
