"""Descent whose iterates are two-layer cosine networks, held as sparse dictionaries {frequency: coefficient}.

    u = sum_k c_k e^(2 pi i k.x),  k in Z^d,  c_(-k) = conj c_k:    k and -k are one unit 2|c_k| cos(2 pi k.x + arg c_k)

A sum merges, a product is the outer sum of frequencies, merged; the inverse of I - Lap is diagonal. So one step

    u <- (1 - eta) u + eta (I - Lap)^(-1) (f - beta u^3)

for -Lap u + u + beta u^3 = f maps networks to networks, as in the proof of the theory. Rows are merged by a hash that
is linear in k, so that a product adds hashes; that no two rows share one is proved each time, coordinate by coordinate,
and a hash that fails is drawn anew. What a truncation discards is summed in the Barron norm, which bounds H^1: the
iterate with its bar is exact. Source: Marwah, Lipton, Lu, Risteski, arXiv 2210.12101; Barron (1993).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from limitlab.discovery.variational.descent import StepTooLarge
from limitlab.errors import InvalidArgument, check_number
from limitlab.labels import labelled
from limitlab.memory import require_memory

if TYPE_CHECKING:
    import xarray as xr

Rows = Int[Tensor, "mode d"]
Coefficients = Complex[Tensor, " mode"]
BYTES_OF_A_PAIR = 100
"""Hash, order, class, coefficient and row of a pair while a product is merged."""
DRAWS = 20


@dataclass(frozen=True)
class Dictionary:
    """A real trigonometric polynomial by half of its modes: 0, and of k and -k the one whose first entry is positive.

    >>> u = ll.discovery.variational.wave_sum(3)
    >>> u.units, round(u.barron(), 4), (u * u).units
    (3, 12.6148, 10)
    """

    rows: Rows
    coefficients: Coefficients

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.rows.dtype != torch.int64 or len(self.rows) != len(self.coefficients):
            raise InvalidArgument(f"rows must be (mode, d) of int64, one a coefficient; got {tuple(self.rows.shape)}")

    @property
    def dimension(self) -> int:
        return self.rows.shape[1]

    @property
    def units(self) -> int:
        """Cosine units of the network; the constant is one."""
        return len(self.rows)

    @property
    def multiplicity(self) -> Float[Tensor, " mode"]:
        """2 for a wave, 1 for the constant."""
        return 1 + (self.rows != 0).any(1).double()

    @property
    def size(self) -> Float[Tensor, " mode"]:
        """2 pi |k|."""
        return 2 * math.pi * self.rows.double().norm(dim=1)

    def barron(self) -> float:
        """sum_k (1 + 2 pi |k|) |c_k|."""
        return float((self.multiplicity * (1 + self.size) * self.coefficients.abs()).sum())

    def norm(self, order: int = 1) -> float:
        """H^1 norm, or L2 for order 0."""
        weight = self.multiplicity * (1 + self.size.square()) ** order
        return float((weight * self.coefficients.abs().square()).sum().sqrt())

    def largest(self) -> float:
        """sum_k |c_k|, at least max |u|."""
        return float((self.multiplicity * self.coefficients.abs()).sum())

    def __call__(self, x: Float[Tensor, "point d"]) -> Float[Tensor, " point"]:
        phase = 2 * math.pi * x.double() @ self.rows.double().T
        wave = phase.cos() * self.coefficients.real - phase.sin() * self.coefficients.imag
        return wave @ self.multiplicity

    def __add__(self, other: Dictionary) -> Dictionary:
        rows = torch.cat([self.rows, other.rows])
        return merged(rows, torch.cat([self.coefficients, other.coefficients]))

    def __sub__(self, other: Dictionary) -> Dictionary:
        return self + other.scaled(-1.0)

    def __mul__(self, other: Dictionary) -> Dictionary:
        """The product, all of its modes."""
        return _product(self, other)

    def scaled(self, factor: float | Tensor) -> Dictionary:
        """Coefficients times a number, or times one for each mode."""
        return Dictionary(self.rows, self.coefficients * factor)

    def smoothed(self) -> Dictionary:
        """(I - Lap)^(-1) of it."""
        return self.scaled(1 / (1 + self.size.square()))

    def split(self, keep: int | None = None, threshold: float = 0.0) -> tuple[Dictionary, Dictionary]:
        """What is kept, the `keep` largest coefficients above the threshold, and what is discarded.

        >>> u = ll.discovery.variational.wave_sum(3)
        >>> [part.units for part in (u * u).split(keep=4)]
        [4, 6]
        """
        sizes = self.coefficients.abs()
        order = sizes.argsort(descending=True, stable=True)
        last = int((sizes > threshold).sum()) if keep is None else min(keep, int((sizes > threshold).sum()))
        kept, rest = (Dictionary(self.rows[part], self.coefficients[part]) for part in (order[:last], order[last:]))
        return kept, rest


def merged(rows: Rows, coefficients: Coefficients) -> Dictionary:
    """A dictionary of rows that may repeat or stand for -k, their coefficients added; rows of zero coefficient go.

    >>> rows = torch.tensor([[1, 0], [-1, 0], [0, 2]])
    >>> ll.discovery.variational.merged(rows, torch.ones(3, dtype=torch.complex128)).units
    2
    """
    merge = _proved(lambda weights: rows @ weights, lambda axis: rows[:, axis], coefficients, rows.shape[1])
    return _canonical(rows[merge.first], merge.totals, merge.flipped)


def wave_sum(dimension: int) -> Dictionary:
    """u* = d^(-1/2) sum_i cos(2 pi x_i), whose Barron norm is sqrt(d) (1 + 2 pi).

    >>> ll.discovery.variational.wave_sum(4).barron() / (1 + 2 * torch.pi)
    2.0
    """
    dimension = int(check_number("dimension", dimension, low=1, integer=True))
    amplitude = torch.full((dimension,), 0.5 * dimension**-0.5, dtype=torch.complex128)
    return Dictionary(torch.eye(dimension, dtype=torch.int64), amplitude)


def semilinear(u: Dictionary, beta: float) -> Dictionary:
    """-Lap u + u + beta u^3, exactly: a right-hand side whose solution is u.

    >>> v = ll.discovery.variational
    >>> v.semilinear(v.wave_sum(2), 1.0).units
    8
    """
    return u.scaled(1 + u.size.square()) + (u * u * u).scaled(check_number("beta", beta, low=0))


@dataclass(frozen=True)
class SparseDescent:
    """The last iterate, and the history along `iteration`: error, step, units, Barron norm, discarded, bar.

    discarded: Barron norm of the modes that the iterate lost. bar: a bound, in H^1 relative to the solution, of what
    all truncations so far changed, as long as a step does not move two functions apart.
    """

    iterate: Dictionary
    history: xr.Dataset
    converged: bool


def sparse_descent(
    f: Dictionary,
    *,
    beta: float = 1.0,
    step: float = 1.0,
    keep: int = 400,
    threshold: float = 1e-7,
    iterations: int = 100,
    tolerance: float = 1e-6,
    exact: Dictionary | None = None,
) -> SparseDescent:
    """Descent on -Lap u + u + beta u^3 = f from zero, until the error, or the step where no solution is known, is low.

    keep: frequencies k of an iterate, two of which are a unit; squares keep ten times as many, cubes fifty times. Norms
    and errors are relative, in H^1; the error is that to `exact`. Raises StepTooLarge where iterates grow without end.

    >>> v = ll.discovery.variational
    >>> u = v.wave_sum(3)
    >>> v.sparse_descent(v.semilinear(u, 1.0), exact=u).converged
    True
    """
    beta, step = check_number("beta", beta, low=0), check_number("step", step, low=1e-6)
    half = math.ceil(check_number("keep", keep, low=2, high=1_000_000, integer=True) / 2)
    u = Dictionary(torch.zeros(0, f.dimension, dtype=torch.int64), torch.zeros(0, dtype=torch.complex128))
    radius = max(f.smoothed().norm(), 1e-300)
    reference = radius if exact is None else exact.norm()
    rows = [(math.nan if exact is None else 1.0, math.nan, 0, 0.0, 0.0, 0.0)]
    # the error where it can be known, else the step
    measure = int(exact is None)
    while len(rows) <= iterations and not rows[-1][measure] < tolerance:
        cube, lost = _cube(u, half, threshold)
        whole = u.scaled(1 - step) + (f - cube.scaled(beta)).smoothed().scaled(step)
        following, rest = whole.split(half)
        # a contraction cannot leave a ball of such a radius
        if not following.norm() < 1e3 * radius:
            raise StepTooLarge(
                f"step {step:g} makes the iterates grow at iteration {len(rows)}: the curvature 1 + 3 beta u^2 is "
                f"up to M = {1 + 3 * beta * u.largest() ** 2:.4g} at the iterate before it; take a step below 2/M"
            )
        moved = (following - u).norm() / max(following.norm(), 1e-300)
        error = math.nan if exact is None else (following - exact).norm() / reference
        bar = rows[-1][-1] + (step * beta * lost + rest.norm()) / reference
        u = following
        rows.append((error, moved, u.units, u.barron(), rest.barron(), bar))
    return SparseDescent(u, _history(rows), rows[-1][measure] < tolerance)


def _cube(u: Dictionary, half: int, threshold: float) -> tuple[Dictionary, float]:
    """u^3, and a bound of the H^1 norm of (I - Lap)^(-1) of what its truncations discard."""
    square, lost_square = (u * u).split(10 * half, threshold)
    cube, lost_cube = (square * u).split(50 * half, threshold)
    # (I - Lap)^(-1) maps L2 to H^1 without growth, and a product's L2 norm is at most |g|_L2 max |u|
    return cube, lost_cube.smoothed().norm() + lost_square.norm(order=0) * u.largest()


def _product(a: Dictionary, b: Dictionary) -> Dictionary:
    waves = (b.rows != 0).any(1)
    rows_b = torch.cat([b.rows, -b.rows[waves]])
    coefficients_b = torch.cat([b.coefficients, b.coefficients[waves].conj()])
    purpose = f"a product of {len(a.rows)} by {len(rows_b)} modes"
    require_memory(len(a.rows) * len(rows_b) * BYTES_OF_A_PAIR, purpose, a.rows.device, advice="keep fewer")
    merge = _proved(
        lambda weights: ((a.rows @ weights)[:, None] + rows_b @ weights).flatten(),
        lambda axis: (a.rows[:, axis, None] + rows_b[:, axis]).flatten(),
        # a is the real part of its waves, b the sum of all of its modes: each pair is met once
        ((a.multiplicity * a.coefficients)[:, None] * coefficients_b).flatten(),
        a.dimension,
    )
    rows = a.rows[merge.first // max(len(rows_b), 1)] + rows_b[merge.first % max(len(rows_b), 1)]
    constant = (rows == 0).all(1)
    totals = torch.where(constant, merge.totals.real.to(torch.complex128), merge.totals / 2)
    return _canonical(rows, totals, merge.flipped)


class _Merge(NamedTuple):
    """Of every class of rows that are equal up to sign: a first member, whether it was flipped, and the sum."""

    first: Int[Tensor, " class"]
    flipped: Bool[Tensor, " class"]
    totals: Coefficients


def _proved(
    hashes: Callable[[Tensor], Tensor], column: Callable[[int], Tensor], values: Coefficients, dimension: int
) -> _Merge:
    """The classes by hash, once no two different rows share one: hashes(weights) are linear in the rows of `column`."""
    for draw in range(DRAWS):
        generator = torch.Generator().manual_seed(draw)
        signed = hashes(torch.randint(-(2**62), 2**62, (dimension,), generator=generator, dtype=torch.int64))
        # k and -k are one wave, and the hash of -k is minus that of k
        keys, order = signed.abs().sort()
        flipped = (signed < 0)[order]
        begins = torch.cat([torch.ones_like(keys[:1], dtype=torch.bool), keys[1:] != keys[:-1]])
        if all(_is_one_row_a_class(column(axis)[order], flipped, begins) for axis in range(dimension)):
            classes, ordered = begins.cumsum(0) - 1, values[order]
            imaginary = torch.where(flipped, -ordered.imag, ordered.imag)
            # of no rows at all, bincount makes whole numbers
            real, imaginary = (torch.bincount(classes, part).double() for part in (ordered.real, imaginary))
            totals = torch.complex(real, imaginary)
            return _Merge(order[begins], flipped[begins], totals)
    raise InvalidArgument("frequencies are too large for 64-bit hashes")


def _is_one_row_a_class(entries: Tensor, flipped: Tensor, begins: Tensor) -> bool:
    entries = torch.where(flipped, -entries, entries)
    return bool((begins[1:] | (entries[1:] == entries[:-1])).all())


def _canonical(rows: Rows, totals: Coefficients, flipped: Bool[Tensor, " mode"]) -> Dictionary:
    """The rows whose total is that of minus them where flipped, all with a first entry above zero."""
    first = (rows != 0).to(torch.int8).argmax(1, keepdim=True)
    negative = rows.gather(1, first)[:, 0] < 0
    totals = torch.where(flipped != negative, totals.conj(), totals)
    rows = torch.where(negative[:, None], -rows, rows)
    return Dictionary(rows[totals != 0], totals[totals != 0])


def _history(rows: Sequence[tuple[float, ...]]) -> xr.Dataset:
    error, moved, units, barron, discarded, bar = zip(*rows, strict=True)
    return labelled(
        error=("iteration", error, "relative error in H1"),
        moved=("iteration", moved, "relative step in H1"),
        units=("iteration", units, "cosine units"),
        barron=("iteration", barron, "Barron norm (2 pi convention)"),
        discarded=("iteration", discarded, "Barron norm of the discarded modes"),
        bar=("iteration", bar, "bound of all truncations so far, relative, H1"),
        iteration=("iteration", range(len(rows)), "iteration"),
    )
