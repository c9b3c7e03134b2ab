"""Evolution equations on a periodic interval, each a row of data: text, parameters, initial law, span."""

from __future__ import annotations

from limitlab.problems.pde.laws import FourierLaw, GaussianLaw
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.problems.pde.problem import Parameter

PROBLEMS: tuple[PeriodicProblem, ...] = (
    PeriodicProblem(
        name="advection",
        title="Advection",
        equation="u_t = -beta*u_x",
        parameters=(Parameter("beta", 1.0, -4.0, 4.0, "speed"),),
        initial=FourierLaw(modes=5),
        dt=0.01,
        span=2.0,
        frames=201,
        solution="sin(2*pi*(x - beta*t)) + cos(6*pi*(x - beta*t))/2",
        source="Takamoto et al. 2022 (PDEBench)",
    ),
    PeriodicProblem(
        name="heat",
        title="Heat equation",
        equation="u_t = nu*u_xx",
        parameters=(Parameter("nu", 0.01, 1e-3, 1.0, "diffusivity", latex=r"\nu", scale="log"),),
        initial=FourierLaw(modes=5),
        dt=0.01,
        span=1.0,
        frames=41,
        solution="exp(-4*pi^2*nu*t)*sin(2*pi*x) + exp(-36*pi^2*nu*t)*cos(6*pi*x)/2",
        source="Fourier 1822",
    ),
    PeriodicProblem(
        name="burgers",
        title="Viscous Burgers equation",
        equation="u_t = -dx(u^2/2) + nu*u_xx",
        parameters=(Parameter("nu", 0.1, 5e-3, 0.2, "viscosity", latex=r"\nu", scale="log"),),
        initial=GaussianLaw(alpha=2.0, tau=5.0, sigma=25.0),
        dt=2.5e-3,
        span=1.0,
        frames=21,
        finest_scale="2*nu",
        minimum_resolution=256,
        solution="2*pi*nu*exp(-4*pi^2*nu*t)*sin(2*pi*x)/(1 + exp(-4*pi^2*nu*t)*cos(2*pi*x)/2)",
        source="Li et al. 2020 (FNO): u0 ~ N(0, 625(-Lap+25)^-2), nu 0.1, T 1",
    ),
    PeriodicProblem(
        name="korteweg_de_vries",
        title="Korteweg-de Vries equation",
        equation="u_t = -3*dx(u^2) - u_xxx",
        initial=FourierLaw(modes=5),
        lengths=(64.0,),
        default_resolution=256,
        dt=0.0025,
        span=10.0,
        frames=101,
        minimum_resolution=512,
        solution="2/cosh(x - 4*t - 12)^2",
        source="Korteweg & de Vries 1895",
    ),
    PeriodicProblem(
        name="kuramoto_sivashinsky",
        title="Kuramoto-Sivashinsky equation",
        equation="u_t = -dx(u^2/2) - u_xx - u_xxxx",
        initial=FourierLaw(modes=5),
        lengths=(22.0,),
        default_resolution=64,
        dt=0.05,
        span=50.0,
        frames=201,
        # the law draws what the attractor never visits
        warm_up=100.0,
        source="Kassam & Trefethen 2005; domain 22: Cvitanovic, Davidchack & Siminos 2010",
    ),
    PeriodicProblem(
        name="allen_cahn",
        title="Allen-Cahn equation",
        equation="u_t = eps^2*u_xx + u - u^3",
        parameters=(Parameter("eps", 0.05, 0.02, 0.1, "interface width", latex=r"\varepsilon", scale="log"),),
        initial=FourierLaw(modes=5, amplitude=0.9),
        lengths=(2.0,),
        starts=(-1.0,),
        dt=0.02,
        span=10.0,
        frames=51,
        finest_scale="eps",
        minimum_resolution=256,
        solution="tanh((x + 0.5)/(sqrt(2)*eps)) - tanh((x - 0.5)/(sqrt(2)*eps))"
        " + tanh((x - 1.5)/(sqrt(2)*eps)) - tanh((x + 1.5)/(sqrt(2)*eps)) + 1",
        source="Allen & Cahn 1979",
    ),
)
