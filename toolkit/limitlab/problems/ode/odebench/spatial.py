"""ODEBench 52 to 63: three and four states, four systems of them chaotic."""

from __future__ import annotations

from limitlab.problems.ode.odebench.system import System

LORENZ = "x' = a*(y - x); y' = b*x - y - x*z; z' = x*y - c*z"
LORENZ_STARTS = ((2.3, 8.1, 12.4), (10.0, 20.0, 30.0))
ROESSLER = "x' = -d*(y + z); y' = d*(x + a*y); z' = d*(b + z*(x - c))"
ROESSLER_STARTS = ((2.3, 1.1, 0.8), (-0.1, 4.1, -2.1))

SYSTEMS: tuple[System, ...] = (
    System(
        "Maxwell-Bloch equations of a laser",
        "x' = a*(y - x); y' = b*(x*z - y); z' = c*(d + 1 - z - d*x*y)",
        {"a": 0.1, "b": 0.21, "c": 0.34, "d": 3.1},
        ((1.3, 1.1, 0.89), (0.89, 1.3, 1.1)),
        "Strogatz p. 82",
    ),
    System(
        "Death of a cell",
        "p = b*z*(m + y); q = c*y/(k + y) + d*x*y/(l + y); x' = a - g*y*x/(n + x) - f*x; y' = p - q; z' = q - p",
        {
            "a": 0.1,
            "b": 0.6,
            "c": 0.2,
            "d": 7.95,
            "f": 0.05,
            "g": 0.4,
            "k": 0.1,
            "l": 2.0,
            "m": 0.1,
            "n": 0.1,
        },
        ((0.005, 0.26, 2.15), (0.248, 0.0973, 0.0027)),
        "doi 10.1137/20M1318043",
    ),
    System(
        "Lorenz equations, periodic",
        LORENZ,
        {"a": 5.1, "b": 12.0, "c": 1.67},
        LORENZ_STARTS,
        "Strogatz p. 319",
    ),
    System(
        "Lorenz equations, periodic in a complicated way",
        LORENZ,
        {"a": 10.0, "b": 99.96, "c": 8 / 3},
        LORENZ_STARTS,
        "Strogatz p. 319",
    ),
    System(
        "Lorenz equations, chaotic",
        LORENZ,
        {"a": 10.0, "b": 28.0, "c": 8 / 3},
        LORENZ_STARTS,
        "Strogatz p. 319",
    ),
    System(
        "Roessler equations at rest",
        ROESSLER,
        {"a": -0.2, "b": 0.2, "c": 5.7, "d": 5.0},
        ROESSLER_STARTS,
        "Roessler 1976",
    ),
    System(
        "Roessler equations, periodic",
        ROESSLER,
        {"a": 0.1, "b": 0.2, "c": 5.7, "d": 5.0},
        ROESSLER_STARTS,
        "Roessler 1976",
    ),
    System(
        "Roessler equations, chaotic",
        ROESSLER,
        {"a": 0.2, "b": 0.2, "c": 5.7, "d": 5.0},
        ROESSLER_STARTS,
        "Roessler 1976",
    ),
    System(
        "Aizawa attractor",
        "x' = x*(z - b) - d*y; y' = d*x + y*(z - b); z' = c + a*z - z^3/3 - (x^2 + y^2)*(1 + f*z) + g*z*x^3",
        {"a": 0.95, "b": 0.7, "c": 0.65, "d": 3.5, "f": 0.25, "g": 0.1},
        ((0.1, 0.05, 0.05), (-0.3, 0.2, 0.1)),
        "Aizawa 1982",
    ),
    System(
        # its usual third constant is -0.38; the list has -3.8
        "Chen-Lee system",
        "x' = a*x - y*z; y' = b*y + x*z; z' = c*z + x*y/d",
        {"a": 5.0, "b": -10.0, "c": -3.8, "d": 3.0},
        ((15.0, -15.0, -15.0), (8.0, 14.0, -10.0)),
        "doi 10.1016/j.chaos.2003.12.034",
    ),
    System(
        "Binocular rivalry with adaptation",
        "x' = -x + 1/(1 + exp(a*z + b*y - c)); y' = d*(x - y); z' = -z + 1/(1 + exp(a*x + b*w - c)); w' = d*(z - w)",
        {"a": 0.89, "b": 0.4, "c": 1.4, "d": 1.0},
        ((2.25, -0.5, -1.13, 0.4), (0.342, -0.431, -0.86, 0.041)),
        "Strogatz p. 295",
    ),
    System(
        "SEIR epidemic",
        "x' = -b*x*z; y' = b*x*z - a*y; z' = a*y - c*z; w' = c*z",
        {"a": 0.47, "b": 0.28, "c": 0.3},
        ((0.6, 0.3, 0.09, 0.01), (0.4, 0.3, 0.25, 0.05)),
        "Kermack & McKendrick 1927",
    ),
)
