"""Sparse linear regression y = Theta xi: few terms of a library, by thresholds, by resampling, or by elimination.

    ridge   xi = argmin ||y - Theta xi||^2 + alpha ||xi||^2;   drop |xi_j| < threshold;   again on what is left

Thresholds on all outputs (and all resamples) run as one batch on the Gram matrix, in which a dropped term is a row of
the identity; what remains is solved without the ridge. Elimination drops the term whose loss costs least, one by one:
its increase of the squared error is xi_j^2 over the j-th diagonal entry of (Theta' Theta)^-1.
Sources: Brunton, Proctor & Kutz 2016 (thresholds); Fasel, Kutz, Brunton & Brunton 2022 (resampling).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

Array = np.ndarray
MOST_ITERATIONS = 20
RIDGE = 1e-3
"""Enough against terms that the data cannot tell apart, and little beside a term of a tenth."""
COLLINEAR = 1e8
"""Condition number of a library, its columns scaled to length one, from which on its terms are called collinear."""
SHARE_OF_COLLINEAR = 0.1
RANK = 1e-10


def thresholded(
    columns: Float[Array, "point term"],
    targets: Float[Array, "point output"],
    *,
    threshold: float = 0.1,
    ridge: float = RIDGE,
) -> Float[Array, "output term"]:
    """Coefficients by sequentially thresholded least squares, those of the terms that are left without the ridge.

    >>> import numpy as np
    >>> from limitlab.discovery.symbolic.sparse.regression import thresholded
    >>> x = np.linspace(-1.0, 1.0, 50)
    >>> columns = np.stack([np.ones(50), x, x**2], axis=1)
    >>> thresholded(columns, (2 * x**2 + 0.01 * x)[:, None]).round(6) + 0
    array([[0., 0., 2.]])
    """
    kept = _support(columns.T @ columns, targets.T @ columns, threshold, ridge)
    return least_squares(columns, targets, kept)


def least_squares(
    columns: Float[Array, "point term"], targets: Float[Array, "point output"], kept: Bool[Array, "output term"]
) -> Float[Array, "output term"]:
    """Least squares in the terms that are kept, 0 in the others."""
    coefficients = np.zeros(kept.shape)
    for output, terms in enumerate(kept):
        if terms.any():
            coefficients[output, terms] = np.linalg.lstsq(columns[:, terms], targets[:, output], rcond=None)[0]
    return coefficients


def inclusion(
    columns: Float[Array, "point term"],
    targets: Float[Array, "point output"],
    *,
    resamples: int,
    seed: int,
    threshold: float = 0.1,
    ridge: float = RIDGE,
) -> Float[Array, "output term"]:
    """The share of bootstrap resamples of the points in which thresholds keep each term."""
    random = np.random.default_rng(seed)
    count = len(columns)
    weights = random.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    # (resample, term, term) without a copy of the columns for each: products of pairs of terms, once
    term = columns.shape[1]
    pairs = (columns[:, :, None] * columns[:, None, :]).reshape(count, -1)
    grams = (weights @ pairs).reshape(resamples, 1, term, term)
    moments = np.einsum("rn,no,nt->rot", weights, targets, columns, optimize=True)
    return _support(grams, moments, threshold, ridge).mean(0)


def standard_errors(
    columns: Float[Array, "point term"],
    targets: Float[Array, "point output"],
    coefficients: Float[Array, "output term"],
) -> Float[Array, "output term"]:
    """Standard errors for independent residuals, 0 for terms that are not there."""
    errors = np.zeros(coefficients.shape)
    for output, xi in enumerate(coefficients):
        terms = xi != 0
        if not terms.any():
            continue
        residual = targets[:, output] - columns @ xi
        variance = residual @ residual / max(len(columns) - terms.sum(), 1)
        inverse = np.linalg.pinv(columns[:, terms])
        errors[output, terms] = np.sqrt(variance * (inverse**2).sum(1))
    return errors


class Conditioning(NamedTuple):
    """How well the data tell the terms apart: condition number of the scaled columns, and the collinear terms."""

    number: float
    collinear: tuple[int, ...]


def conditioning(columns: Float[Array, "point term"]) -> Conditioning:
    """Condition number of the columns scaled to length one, and the terms of what can hardly be told from zero."""
    lengths = np.linalg.norm(columns, axis=0)
    scaled = columns / np.where(lengths > 0, lengths, 1.0)
    _, values, axes = np.linalg.svd(np.linalg.qr(scaled, mode="r"))
    # fewer points than terms leave directions that no point sees
    values = np.concatenate([values, np.zeros(scaled.shape[1] - len(values))])
    number = float(values[0] / values[-1]) if values[-1] > 0 else float("inf")
    unseen = axes[values * COLLINEAR <= values[0]]
    collinear = np.flatnonzero((abs(unseen) > SHARE_OF_COLLINEAR).any(0) | (lengths == 0))
    return Conditioning(number, tuple(int(term) for term in collinear))


def eliminations(
    columns: Float[Array, "point term"], target: Float[Array, " point"]
) -> list[tuple[tuple[int, ...], Float[Array, " kept"]]]:
    """Ever fewer terms with their coefficients: from all that are independent down to one, the cheapest loss first."""
    from scipy.linalg import qr

    lengths = np.linalg.norm(columns, axis=0)
    scaled = columns / np.where(lengths > 0, lengths, 1.0)
    _, triangle, order = qr(scaled, mode="economic", pivoting=True)
    diagonal = abs(np.diag(triangle))
    active = sorted(int(term) for term in order[: int((diagonal > RANK * diagonal[0]).sum())])
    q, r = np.linalg.qr(scaled)
    moment = q.T @ target
    path = []
    while active:
        inverse = np.linalg.pinv(r[:, active])
        xi = inverse @ moment
        path.append((tuple(active), xi / lengths[active]))
        active.pop(int(np.argmin(xi**2 / (inverse**2).sum(1))))
    return path


def _support(
    grams: Float[Array, "*batch term term"],
    moments: Float[Array, "*batch output term"],
    threshold: float,
    ridge: float,
) -> Bool[Array, "*batch output term"]:
    """The terms that thresholds keep, for every output."""
    if moments.ndim == 2:
        grams = grams[None]
    identity = np.eye(grams.shape[-1])
    kept = np.ones(moments.shape, dtype=bool)
    for _ in range(MOST_ITERATIONS):
        masked = np.where(kept[..., None] & kept[..., None, :], grams, 0.0)
        # a dropped term is a row of the identity, and its coefficient 0
        masked += identity * np.where(kept, ridge, 1.0)[..., None]
        xi = np.linalg.solve(masked, np.where(kept, moments, 0.0)[..., None])[..., 0]
        left = kept & (abs(xi) >= threshold)
        if (left == kept).all():
            break
        kept = left
    return kept
