"""What completes a tree: among many others the one with which its sum, product or quotient fits best.

    y ~ a + b (f + c g)      gain of g:   (r . g')^2 / |g'|^2,   g' what 1 and f leave of g, r what they leave of y
    y ~ a + b f g,   a + b f/g,   a + b g/f

Sums of all pairs are one product of matrices, the others one large batch of linear scalings, so that a law in two
parts, each of which has been found, is not left to a lucky crossover. Related: Keijzer, EuroGP 2003, for one tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.discovery.symbolic.trees.evaluation import LARGEST, roots_of, scaled
from limitlab.discovery.symbolic.trees.mutations import Alphabet
from limitlab.discovery.symbolic.trees.population import CODES, Block, Population, assembled, joined

CAPS = (1.0, 4.0, torch.inf)
"""Complexities up to which a partner is looked for: the best of all is often the longest, and fits noise."""

PARALLEL = 1e-8
"""Squared part of a tree that 1 and the other must leave of it."""

Priced = tuple[Float[Tensor, "tree other"], Float[Tensor, "tree other"] | None]


class Join(NamedTuple):
    """Two trees, f and g, as one in postfix, and what it leaves of y, with the constant c where there is one."""

    postfix: tuple[str, ...]
    price: Callable[[Tensor, Tensor, Tensor, Tensor], Priced]

    @property
    def operations(self) -> list[int]:
        """Codes of the operations that it adds."""
        return [CODES[token] for token in self.postfix if token in CODES]


def completed(
    trees: Population,
    others: Population,
    X: Float[Tensor, "variable point"],  # noqa: N803
    y: Float[Tensor, " point"],
    weights: Float[Tensor, " point"],
    *,
    alphabet: Alphabet,
) -> Population | None:
    """Each of `trees` joined with its best partners among `others`, by all of `JOINS` that the alphabet has.

    weights: of sum one. None where nothing can be joined, or all would be longer than the alphabet's limit.
    """
    (trees, f), (others, g) = (_usable(part, X, weights) for part in (trees, others))
    if not len(trees) or not len(others):
        return None
    of_tree, of_other = alphabet.complexity(trees)[:, None], alphabet.complexity(others)
    children = []
    for join in JOINS:
        if not set(join.operations) <= set(alphabet.codes):
            continue
        losses, factors = join.price(f, g, y, weights)
        extra = sum(alphabet.costs[code] for code in join.operations) + 1
        fits = losses.isfinite() & (of_tree + of_other + extra <= alphabet.limit)
        for cap in CAPS:
            least, column = torch.where(fits & (of_other <= cap), losses, torch.inf).min(1)
            rows = least.isfinite().nonzero()[:, 0]
            factor = None if factors is None else factors[rows, column[rows]]
            children.append(_joined(join, trees, others, rows, column[rows], factor=factor))
    return joined(children) if sum(map(len, children)) else None


def _usable(
    trees: Population,
    X: Float[Tensor, "variable point"],  # noqa: N803
    weights: Float[Tensor, " point"],
) -> tuple[Population, Float[Tensor, "tree point"]]:
    """Those whose values are finite and not all the same, and their values."""
    values = roots_of(trees, X)
    spread = (values - (values @ weights)[:, None]).square() @ weights
    # NaN is not less than anything
    good = (values.abs().amax(1) <= LARGEST) & (spread > PARALLEL * (values.square() @ weights))
    return trees[good], values[good]


def _sums(f: Tensor, g: Tensor, y: Tensor, weights: Tensor) -> Priced:
    """Of y by 1, f and g; c is the coefficient of g by that of f."""
    root = weights.sqrt()
    target = (y - y @ weights) * root
    f, g = ((part - (part @ weights)[:, None]) * root for part in (f, g))
    size_f, size_g = f.norm(dim=1), g.norm(dim=1)
    f, g = f / size_f[:, None], g / size_g[:, None]
    along, by_f = f @ g.T, f @ target
    residual = target - by_f[:, None] * f
    left = 1 - along.square()
    slope = torch.where(left > PARALLEL, (residual @ g.T) / left.clamp(min=PARALLEL), 0.0)
    loss = residual.square().sum(1)[:, None] - slope.square() * left
    factor = (slope / size_g) / ((by_f[:, None] - slope * along) / size_f[:, None])
    return torch.where(factor.isfinite() & (factor != 0), loss, torch.inf), factor


def _by(join: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor, Tensor], Priced]:
    """Of y by 1 and what joins each pair."""

    def price(f: Tensor, g: Tensor, y: Tensor, weights: Tensor) -> Priced:
        pairs = join(f[:, None], g[None]).flatten(0, 1)
        return scaled(pairs, y, weights).loss.view(len(f), len(g)), None

    return price


JOINS: tuple[Join, ...] = (
    Join(("f", "c", "g", "*", "+"), _sums),
    Join(("f", "g", "*"), _by(torch.mul)),
    Join(("f", "g", "/"), _by(torch.div)),
    Join(("g", "f", "/"), _by(lambda f, g: g / f)),
)


def _joined(
    join: Join,
    trees: Population,
    others: Population,
    rows: Int[Tensor, " child"],
    columns: Int[Tensor, " child"],
    *,
    factor: Float[Tensor, " child"] | None,
) -> Population:
    """The pairs in postfix; those that do not fit the width are left out."""
    zero, one, child = torch.zeros_like(rows), torch.ones_like(rows), torch.arange(len(rows), device=rows.device)
    parts = {
        "f": Block(trees, rows, zero, trees.lengths[rows]),
        "g": Block(others, columns, zero, others.lengths[columns]),
    }
    for token in join.postfix:
        if token not in parts:
            leaf = Population.of([[1.0]] if token == "c" else [[token]]).to(rows.device)[zero]
            parts[token] = Block(leaf if factor is None else leaf.with_constants(factor[:, None]), child, zero, one)
    children, whole = assembled([parts[token] for token in join.postfix])
    return children[whole]
