"""A step of each scheme of `limitlab.solvers.sde.schemes` in the lanes, by the same formulas in the same order."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from llvmlite import ir

from limitlab.solvers.native.stages import Vectors, times
from limitlab.solvers.sde.native.fields import Interval, LaneFields, Matrix
from limitlab.solvers.sde.runge_kutta import SRI2W1

TINY = 2.0**-1022


class Shadow(NamedTuple):
    """What reversible Heun carries: z, with f and g there."""

    z: Vectors
    f: Vectors
    g: Matrix


Stepped = tuple[Vectors, Shadow | None]
StepCode = Callable[[LaneFields, Interval, Vectors, Shadow | None], Stepped]


def euler_maruyama(fields: LaneFields, at: Interval, y: Vectors, carry: Shadow | None) -> Stepped:
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    return fields.kicked(fields.drifted(y, at.h, f), g, at.w), None


def tamed_euler(fields: LaneFields, at: Interval, y: Vectors, carry: Shadow | None) -> Stepped:
    lanes = fields.lanes
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    size = lanes.square_root(lanes.add(lanes.sum_of_squares(f), lanes.number(TINY)))
    limit = lanes.add(lanes.number(1.0), lanes.multiply(at.h, size))
    tamed = [lanes.divide(slope, limit) for slope in f]
    return fields.kicked(fields.drifted(y, at.h, tamed), g, at.w), None


def log_euler(fields: LaneFields, at: Interval, y: Vectors, carry: Shadow | None) -> Stepped:
    lanes = fields.lanes
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    rates = [lanes.divide(slope, state) for slope, state in zip(f, y, strict=True)]
    if fields.is_ito:
        halves = [lanes.scaled(lanes.sum_of_squares(row), -0.5) for row in g]
        squares = [lanes.divide(half, lanes.square(state)) for half, state in zip(halves, y, strict=True)]
        rates = [lanes.add(rate, square) for rate, square in zip(rates, squares, strict=True)]
    kicks = [lanes.divide(kick, state) for kick, state in zip(fields.product(g, at.w), y, strict=True)]
    exponents = fields.drifted(kicks, at.h, rates)
    return [lanes.multiply(state, lanes.exp(x)) for state, x in zip(y, exponents, strict=True)], None


def milstein(fields: LaneFields, at: Interval, y: Vectors, carry: Shadow | None) -> Stepped:
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    end = fields.kicked(fields.drifted(y, at.h, f), g, at.w)
    if fields.noise == "additive":
        return end, None
    twice = (_commutative_term if fields.noise == "commutative" else _elementwise_term)(fields, at, y, g)
    return [fields.lanes.combined(start, [0.5], [term]) for start, term in zip(end, twice, strict=True)], None


def _elementwise_term(fields: LaneFields, at: Interval, y: Vectors, g: Matrix) -> Vectors:
    """g g' (W^2 - h), without h in Stratonovich's calculus; g' along the one noise that moves a component."""
    lanes, jacobians = fields.lanes, fields.jacobians(at.t, y)
    squares = [lanes.square(w) for w in at.w]
    if fields.is_ito:
        squares = [lanes.subtract(square, at.h) for square in squares]
    if fields.noise == "scalar":
        column = [row[0] for row in g]
        return [lanes.multiply(fields.summed(part[0], column), squares[0]) for part in jacobians]
    return [
        lanes.multiply(fields.summed([part[0][index]], g[index]), squares[index])
        for index, part in enumerate(jacobians)
    ]


def _commutative_term(fields: LaneFields, at: Interval, y: Vectors, g: Matrix) -> Vectors:
    """sum_jk (Dg_j) g_k W_j W_k, less h sum_j (Dg_j) g_j in Ito's calculus."""
    lanes, moved, columns = fields.lanes, fields.product(g, at.w), [list(column) for column in zip(*g, strict=True)]
    terms = []
    for part in fields.jacobians(at.t, y):
        term = fields.summed([fields.summed(row, moved) for row in part], at.w)
        if fields.is_ito:
            for row, column in zip(part, columns, strict=True):
                term = lanes.subtract(term, lanes.multiply(at.h, fields.summed(row, column)))
        terms.append(term)
    return terms


def heun(fields: LaneFields, at: Interval, y: Vectors, carry: Shadow | None) -> Stepped:
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    ahead = fields.kicked(fields.drifted(y, at.h, f), g, at.w)
    return _by_the_mean(fields, at, y, Shadow(y, f, g), _shadow(fields, at, ahead)), None


def euler_heun(fields: LaneFields, at: Interval, y: Vectors, carry: Shadow | None) -> Stepped:
    f, g = fields.drift(at.t, y), fields.diffusion(at.t, y)
    g_ahead = fields.diffusion(at.after, fields.kicked(y, g, at.w))
    return fields.kicked(fields.drifted(y, at.h, f), fields.plus(g, g_ahead), at.w, 0.5), None


def reversible_heun(fields: LaneFields, at: Interval, y: Vectors, carry: Shadow | None) -> Stepped:
    assert carry is not None
    lanes = fields.lanes
    mirrored = [lanes.subtract(lanes.scaled(state, 2.0), z) for state, z in zip(y, carry.z, strict=True)]
    z_end = fields.kicked(fields.drifted(mirrored, at.h, carry.f), carry.g, at.w)
    shadow = _shadow(fields, at, z_end)
    return _by_the_mean(fields, at, y, carry, shadow), shadow


def _shadow(fields: LaneFields, at: Interval, z: Vectors) -> Shadow:
    """A state at the end of the step, with f and g there."""
    return Shadow(z, fields.drift(at.after, z), fields.diffusion(at.after, z))


def _by_the_mean(fields: LaneFields, at: Interval, y: Vectors, start: Shadow, end: Shadow) -> Vectors:
    """y + h/2 (f + f*) + 1/2 (g + g*) W."""
    (f,) = fields.plus([start.f], [end.f])
    return fields.kicked(fields.drifted(y, at.h, f, 0.5), fields.plus(start.g, end.g), at.w, 0.5)


def sra1(fields: LaneFields, at: Interval, y: Vectors, carry: Shadow | None) -> Stepped:
    h, level = at.h, _level(fields, at)
    f, g, g_end = fields.drift(at.t, y), fields.diffusion(at.t, y), fields.diffusion(at.after, y)
    ahead = fields.kicked(fields.drifted(y, h, f, 0.75), g_end, level, 1.5)
    f_ahead = fields.drift(_between(fields, at, 0.75), ahead)
    end = fields.drifted(fields.drifted(y, h, f, 1 / 3), h, f_ahead, 2 / 3)
    return fields.kicked(fields.kicked(end, g_end, at.w), fields.minus(g, g_end), level), None


def sri2w1(fields: LaneFields, at: Interval, y: Vectors, carry: Shadow | None) -> Stepped:
    if fields.noise == "additive":
        return sra1(fields, at, y, carry)
    lanes, table, h = fields.lanes, SRI2W1, at.h
    root, level = lanes.square_root(h), _level(fields, at)
    f, g = [fields.drift(at.t, y)], [fields.diffusion(at.t, y)]
    for stage in range(1, len(table.d)):
        at_noise = _summed(fields, y, table.noise_drift[stage - 1], f, h)
        for weight, slope in zip(table.noise_noise[stage - 1], g, strict=False):
            at_noise = _moved(fields, at_noise, weight, slope, [root] * len(at.w))
        if stage < len(table.c):
            at_drift = _summed(fields, y, table.drift_drift[stage - 1], f, h)
            for weight, slope in zip(table.drift_noise[stage - 1], g, strict=False):
                at_drift = _moved(fields, at_drift, weight, slope, level)
            f.append(fields.drift(_between(fields, at, table.c[stage]), at_drift))
        g.append(fields.diffusion(_between(fields, at, table.d[stage]), at_noise))
    integrals = [_integrals(fields, h, root, *pair) for pair in zip(at.w, level, strict=True)]
    end = _summed(fields, y, table.a, f, h)
    for *weights, slope in zip(*table.b, g, strict=True):
        kicks = [lanes.combined(None, weights, parts) for parts in integrals]
        end = fields.kicked(end, slope, kicks)
    return end, None


def _integrals(fields: LaneFields, h: ir.Value, root: ir.Value, w: ir.Value, level: ir.Value) -> Vectors:
    """I_1, I_11/sqrt(h), I_10/h and I_111/h."""
    lanes, square = fields.lanes, fields.lanes.square(w)
    doubled = lanes.divide(lanes.subtract(square, h), lanes.scaled(root, 2.0))
    cubic = lanes.multiply(lanes.subtract(square, lanes.scaled(h, 3.0)), w)
    return [w, doubled, level, lanes.divide(cubic, lanes.scaled(h, 6.0))]


def _level(fields: LaneFields, at: Interval) -> Vectors:
    """I_10/h of every channel."""
    return [fields.lanes.combined(area, [0.5], [w]) for area, w in zip(at.area, at.w, strict=True)]


def _summed(fields: LaneFields, y: Vectors, row: tuple[float, ...], slopes: list[Vectors], h: ir.Value) -> Vectors:
    """y + h sum_j row_j slopes_j."""
    increments = [times(fields.lanes, h, slope) for slope in slopes[: len(row)]]
    return [fields.lanes.combined(start, row, parts) for start, *parts in zip(y, *increments, strict=True)]


def _moved(fields: LaneFields, y: Vectors, weight: float, g: Matrix, w: Vectors) -> Vectors:
    return y if weight == 0.0 else fields.kicked(y, g, w, weight)


def _between(fields: LaneFields, at: Interval, fraction: float) -> ir.Value:
    """The time at a fraction of the step."""
    if fraction in (0.0, 1.0):
        return at.after if fraction else at.t
    lanes = fields.lanes
    return lanes.add(at.t, lanes.scaled(lanes.subtract(at.after, at.t), fraction))


STEPS: dict[str, StepCode] = {
    function.__name__: function
    for function in (
        *(euler_maruyama, tamed_euler, log_euler, milstein, heun),
        *(euler_heun, reversible_heun, sra1, sri2w1),
    )
}
