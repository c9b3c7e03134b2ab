"""Stochastic equations with known moments, laws or solutions along their Brownian path; Ito, if not said otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from limitlab.errors import InvalidArgument
from limitlab.problems.base import Field, Invariant, Parameter
from limitlab.problems.laws import Box, Draw, Drawn, Gaussian
from limitlab.problems.ode.growth import PROBLEMS as GROWTH
from limitlab.problems.sde.problem import Density, SDEProblem

X = (Field("X", "state X"),)
LOTKA = next(problem for problem in GROWTH if problem.name == "lotka_volterra")


def linear_sde(matrix: Sequence[Sequence[float]], noise: Sequence[Sequence[float]], name: str = "linear") -> SDEProblem:
    """dX = A X dt + B dW for matrices A (d, d) and B (d, m), from N(0, I). Raises InvalidArgument for other shapes.

    >>> ll.problems.linear_sde(((-1.0,),), ((0.5,),)).equation
    'dX1 = -1.0*X1*dt + 0.5*dW1'
    """
    size = len(matrix)
    if size == 0 or any(len(row) != size for row in matrix) or len(noise) != size or len({len(r) for r in noise}) != 1:
        raise InvalidArgument(f"A must be (d, d) and B (d, m); got {size} and {len(noise)} rows")
    states = [f"X{k + 1}" for k in range(size)]
    equations = []
    for state, row, scales in zip(states, matrix, noise, strict=True):
        drift = " + ".join(f"{float(entry)!r}*{other}*dt" for entry, other in zip(row, states, strict=True))
        parts = [drift, *(f"{float(scale)!r}*dW{k + 1}" for k, scale in enumerate(scales) if scale)]
        equations.append(f"d{state} = {' + '.join(parts)}".replace("+ -", "- "))
    return SDEProblem(
        name=name,
        title="Linear equation with additive noise",
        equation="; ".join(equations),
        states=tuple(Field(state, f"state {state}", latex=f"X_{{{k + 1}}}") for k, state in enumerate(states)),
        initial=(1.0,) * size,
        law=Gaussian(),
        span=5.0,
        mean="linear",
        source="Gardiner, Stochastic Methods, 4.5",
    )


PROBLEMS: tuple[SDEProblem, ...] = (
    SDEProblem(
        name="ornstein_uhlenbeck",
        title="Ornstein-Uhlenbeck process",
        equation="dX = theta*(mu - X)*dt + sigma*dW",
        states=X,
        parameters=(
            Parameter("theta", 1.0, 0.1, 5.0, "rate of return", latex=r"\theta"),
            Parameter("mu", 0.0, -2.0, 2.0, "mean", latex=r"\mu"),
            Parameter("sigma", 0.5, 0.05, 2.0, "noise", latex=r"\sigma"),
        ),
        initial=(2.0,),
        span=5.0,
        solution=("mu + (X0 - mu)*exp(-theta*t) + sigma*(W - theta*exp(-theta*t)*integral(exp(theta*t)*W))",),
        mean=("mu + (X0 - mu)*exp(-theta*t)",),
        variance=("sigma^2*(1 - exp(-2*theta*t))/(2*theta)",),
        density=Density("exp(-theta*(X - mu)^2/sigma^2)", "mu - 6*sigma/sqrt(theta)", "mu + 6*sigma/sqrt(theta)"),
        source="Uhlenbeck & Ornstein 1930",
    ),
    linear_sde(
        ((-1.0, 2.0, 0.0), (-2.0, -1.0, 0.5), (0.0, -0.5, -0.6)),
        ((0.5, 0.0, 0.0), (0.2, 0.4, 0.0), (0.0, 0.1, 0.3)),
        "linear_ornstein_uhlenbeck",
    ),
    SDEProblem(
        name="geometric_brownian",
        title="Geometric Brownian motion",
        equation="dX = mu*X*dt + sigma*X*dW",
        states=X,
        parameters=(
            Parameter("mu", 0.05, -0.5, 0.5, "growth", latex=r"\mu"),
            Parameter("sigma", 0.2, 0.05, 1.0, "noise", latex=r"\sigma"),
        ),
        initial=(1.0,),
        span=1.0,
        solution=("X0*exp((mu - sigma^2/2)*t + sigma*W)",),
        mean=("X0*exp(mu*t)",),
        variance=("X0^2*exp(2*mu*t)*(exp(sigma^2*t) - 1)",),
        source="Samuelson 1965",
    ),
    SDEProblem(
        name="cox_ingersoll_ross",
        title="Cox-Ingersoll-Ross process",
        equation="dX = kappa*(theta - X)*dt + sigma*sqrt(pos(X))*dW",
        states=X,
        parameters=(
            Parameter("kappa", 2.0, 0.5, 5.0, "rate of return", latex=r"\kappa"),
            Parameter("theta", 0.04, 0.01, 0.2, "mean", latex=r"\theta"),
            Parameter("sigma", 0.2, 0.05, 0.4, "noise; positive where 2 kappa theta >= sigma^2", latex=r"\sigma"),
        ),
        initial=(0.04,),
        method="euler_maruyama",
        span=5.0,
        mean=("theta + (X0 - theta)*exp(-kappa*t)",),
        variance=(
            "X0*sigma^2/kappa*(exp(-kappa*t) - exp(-2*kappa*t)) + theta*sigma^2/(2*kappa)*(1 - exp(-kappa*t))^2",
        ),
        density=Density(
            # by the logarithm: a power and an exponential apart would over- and underflow
            "exp((2*kappa*theta/sigma^2 - 1)*log(X) - 2*kappa*X/sigma^2)",
            "theta*1e-9",
            "theta + 40*sigma*sqrt(theta/(2*kappa)) + 20*sigma^2/kappa",
        ),
        source="Cox, Ingersoll & Ross 1985",
    ),
    SDEProblem(
        name="heston",
        title="Heston model",
        equation="dS = r*S*dt + sqrt(pos(v))*S*dW1; "
        "dv = kappa*(theta - v)*dt + xi*sqrt(pos(v))*(rho*dW1 + sqrt(1 - rho^2)*dW2)",
        states=(Field("S", "price"), Field("v", "variance")),
        parameters=(
            Parameter("r", 0.02, 0.0, 0.1, "interest"),
            Parameter("kappa", 2.0, 0.5, 5.0, "rate of return", latex=r"\kappa"),
            Parameter("theta", 0.04, 0.01, 0.2, "mean variance", latex=r"\theta"),
            Parameter("xi", 0.3, 0.05, 1.0, "noise of the variance", latex=r"\xi"),
            Parameter("rho", -0.7, -0.99, 0.99, "correlation", latex=r"\rho"),
        ),
        initial=(1.0, 0.04),
        span=1.0,
        mean=("S0*exp(r*t)", "theta + (v0 - theta)*exp(-kappa*t)"),
        source="Heston 1993",
    ),
    SDEProblem(
        name="double_well",
        title="Langevin equation of a double well",
        equation="dX = (X - X^3)*dt + sigma*dW",
        states=X,
        parameters=(Parameter("sigma", 0.5, 0.2, 1.5, "noise", latex=r"\sigma"),),
        initial=(-1.0,),
        span=500.0,
        frames=5001,
        density=Density("exp(2/sigma^2*(X^2/2 - X^4/4))", "-1.5 - 3*sigma", "1.5 + 3*sigma"),
        source="Kramers 1940: mean time from well to well about sqrt(2) pi exp(1/(2 sigma^2)) for small noise",
    ),
    SDEProblem(
        name="underdamped_langevin",
        title="Langevin equation with inertia",
        equation="dq = p*dt; dp = (-gamma*p - q)*dt + sqrt(2*gamma/beta)*dW",
        states=(Field("q", "position"), Field("p", "momentum")),
        parameters=(
            Parameter("gamma", 1.0, 0.1, 5.0, "friction", latex=r"\gamma"),
            Parameter("beta", 1.0, 0.2, 5.0, "inverse temperature", latex=r"\beta"),
        ),
        initial=(0.0, 0.0),
        law=Gaussian(),
        span=100.0,
        frames=1001,
        mean="linear",
        source="Langevin 1908; stationary E p^2 = E q^2 = 1/beta",
    ),
    SDEProblem(
        name="underdamped_double_well",
        title="Langevin equation with inertia in a double well",
        equation="dq = p*dt; dp = (-gamma*p + q - q^3)*dt + sqrt(2*gamma/beta)*dW",
        states=(Field("q", "position"), Field("p", "momentum")),
        parameters=(
            Parameter("gamma", 1.0, 0.1, 5.0, "friction", latex=r"\gamma"),
            Parameter("beta", 4.0, 0.2, 10.0, "inverse temperature", latex=r"\beta"),
        ),
        initial=(-1.0, 0.0),
        law=Gaussian(),
        span=100.0,
        frames=1001,
        source="Kramers 1940; stationary E p^2 = 1/beta",
    ),
    SDEProblem(
        name="stochastic_lotka_volterra",
        title="Predators and prey with noise",
        equation="dx = x*(alpha - beta*y)*dt + sigma1*x*dW1; dy = y*(delta*x - gamma)*dt + sigma2*y*dW2",
        states=LOTKA.states,
        parameters=(
            *LOTKA.parameters,
            Parameter("sigma1", 0.1, 0.0, 0.5, "noise of the prey", latex=r"\sigma_{1}"),
            Parameter("sigma2", 0.1, 0.0, 0.5, "noise of the predators", latex=r"\sigma_{2}"),
        ),
        initial=(1.0, 1.0),
        law=Box(0.3, 3.0),
        # steps of the logarithm keep populations positive
        method="log_euler",
        span=20.0,
        source="without noise: lotka_volterra",
    ),
    SDEProblem(
        name="stochastic_lorenz",
        title="Lorenz 63 with noise",
        equation="dx = sigma*(y - x)*dt + alpha*x*dW1; dy = (x*(rho - z) - y)*dt + alpha*y*dW2; "
        "dz = (x*y - beta*z)*dt + alpha*z*dW3",
        states=tuple(Field(name, f"coordinate {name}") for name in "xyz"),
        parameters=(
            Parameter("sigma", 10.0, 1.0, 20.0, "Prandtl number", latex=r"\sigma"),
            Parameter("rho", 28.0, 0.5, 50.0, "Rayleigh number over its critical value", latex=r"\rho"),
            Parameter("beta", 8 / 3, 0.5, 5.0, "aspect of the cell", latex=r"\beta"),
            Parameter("alpha", 0.15, 0.0, 5.0, "noise", latex=r"\alpha"),
        ),
        initial=(1.0, 1.0, 1.0),
        law=Gaussian(),
        span=2.0,
        step_size=0.002,
        source="Li et al. 2020; without noise: lorenz",
    ),
    SDEProblem(
        name="stochastic_logistic",
        title="Logistic growth with noise",
        equation="dX = r*X*(1 - X/K)*dt + sigma*X*dW",
        states=X,
        parameters=(
            Parameter("r", 1.0, 0.2, 3.0, "growth rate"),
            Parameter("K", 1.0, 0.5, 5.0, "carrying capacity"),
            Parameter("sigma", 0.3, 0.05, 0.6, "noise", latex=r"\sigma"),
        ),
        initial=(0.1,),
        span=20.0,
        solution=("X0*exp((r - sigma^2/2)*t + sigma*W)/(1 + r*X0/K*integral(exp((r - sigma^2/2)*t + sigma*W)))",),
        density=Density("exp((2*r/sigma^2 - 2)*log(X) - 2*r*X/(K*sigma^2))", "K*1e-9", "K*(4 + 20*sigma^2/r)"),
        source="Kloeden & Platen 1992, 4.4; stationary law Gamma(2r/sigma^2 - 1, rate 2r/(K sigma^2))",
    ),
    SDEProblem(
        name="ginzburg_landau",
        title="Stochastic Ginzburg-Landau equation",
        equation="dX = (eta*X - X^3 + sigma^2*X/2)*dt + sigma*X*dW",
        states=X,
        parameters=(
            Parameter("eta", 1.0, 0.1, 3.0, "linear growth", latex=r"\eta"),
            Parameter("sigma", 0.5, 0.05, 1.5, "noise", latex=r"\sigma"),
        ),
        initial=(1.0,),
        # the explicit Euler scheme diverges in mean square for a cubic drift
        method="tamed_euler",
        span=5.0,
        solution=("X0*exp(eta*t + sigma*W)/sqrt(1 + 2*X0^2*integral(exp(2*eta*t + 2*sigma*W)))",),
        source="Kloeden & Platen 1992, 4.4; explicit Euler diverges in mean square: Hutzenthaler et al. 2011",
    ),
    SDEProblem(
        name="kubo",
        title="Kubo oscillator (Stratonovich)",
        equation="dx = -omega*y*dt - sigma*y*dW; dy = omega*x*dt + sigma*x*dW",
        states=(Field("x", "real part"), Field("y", "imaginary part")),
        parameters=(
            Parameter("omega", 1.0, 0.2, 5.0, "frequency", latex=r"\omega"),
            Parameter("sigma", 0.5, 0.05, 1.5, "noise of the frequency", latex=r"\sigma"),
        ),
        initial=(1.0, 0.0),
        law=Drawn(("cos(a)", "sin(a)"), (Draw("a", 0.0, 6.283185307179586),)),
        span=20.0,
        calculus="stratonovich",
        solution=(
            "x0*cos(omega*t + sigma*W) - y0*sin(omega*t + sigma*W)",
            "x0*sin(omega*t + sigma*W) + y0*cos(omega*t + sigma*W)",
        ),
        mean=(
            "exp(-sigma^2*t/2)*(x0*cos(omega*t) - y0*sin(omega*t))",
            "exp(-sigma^2*t/2)*(x0*sin(omega*t) + y0*cos(omega*t))",
        ),
        invariants=(Invariant("radius", "sqrt(x^2 + y^2)", "distance from the origin"),),
        source="Kubo 1954",
    ),
    SDEProblem(
        name="brownian_bridge",
        title="Brownian bridge",
        equation="dX = (b - X)/(T - t)*dt + dW",
        states=X,
        parameters=(
            Parameter("b", 1.0, -2.0, 2.0, "end value"),
            Parameter("T", 1.0, 1.0, 2.0, "end time"),
        ),
        initial=(0.0,),
        # the drift has a pole at the end time
        span=0.95,
        frames=96,
        step_size=0.001,
        solution=("X0*(1 - t/T) + b*t/T + W - (T - t)*integral(W/(T - t)^2)",),
        mean=("X0 + (b - X0)*t/T",),
        variance=("t*(T - t)/T",),
        source="Karatzas & Shreve 1991, 5.6",
    ),
    SDEProblem(
        name="levy_area",
        title="Levy area: noise that does not commute",
        equation="dX = dW1; dY = X*dW2",
        states=(Field("X", "first Brownian motion"), Field("Y", "its integral against the second")),
        initial=(0.0, 0.0),
        span=1.0,
        mean=("X0", "Y0"),
        variance=("t", "X0^2*t + t^2/2"),
        source="Levy 1951; strong order 1/2 without areas: Clark & Cameron 1980",
    ),
    SDEProblem(
        name="chemical_langevin_sir",
        title="SIR epidemic with chemical Langevin noise",
        equation="infection = beta*pos(S)*pos(I)/N; recovery = gamma*pos(I); "
        "dS = -infection*dt - sqrt(infection)*dW1; "
        "dI = (infection - recovery)*dt + sqrt(infection)*dW1 - sqrt(recovery)*dW2; "
        "dR = recovery*dt + sqrt(recovery)*dW2",
        states=(Field("S", "susceptible people"), Field("I", "infected people"), Field("R", "removed people")),
        parameters=(
            Parameter("beta", 0.5, 0.1, 2.0, "contact rate", "1/day", r"\beta"),
            Parameter("gamma", 0.1, 0.02, 1.0, "recovery rate", "1/day", r"\gamma"),
            Parameter("N", 1000.0, 100.0, 1e6, "people", scale="log"),
        ),
        initial=("0.99*N", "0.01*N", 0.0),
        span=160.0,
        step_size=0.05,
        time_unit="day",
        invariants=(Invariant("population", "S + I + R", "whole population"),),
        source="Gillespie 2000",
    ),
    SDEProblem(
        name="black_scholes_basket",
        title="Black-Scholes basket",
        equation="dX[i] = mu*X[i]*dt + sigma*X[i]*dW[i]",
        states=(Field("X", "price"),),
        parameters=(
            Parameter("mu", 0.05, -0.5, 0.5, "growth", latex=r"\mu"),
            Parameter("sigma", 0.2, 0.05, 1.0, "noise", latex=r"\sigma"),
        ),
        initial=(1.0,),
        span=1.0,
        sites=5,
        site_range=(1, 100),
        solution=("X0*exp((mu - sigma^2/2)*t + sigma*W)",),
        mean=("X0*exp(mu*t)",),
        variance=("X0^2*exp(2*mu*t)*(exp(sigma^2*t) - 1)",),
        source="Black & Scholes 1973",
    ),
)
