"""Few-shot classification by the nearest drawing, in a metric set by statistics: what a learned metric has to beat.

A query x is of the class of the support point s with the smallest |A (x - s)|. Two choices of A need no gradient:

    I - sum_k e_k e_k'     with e_k the leading principal components of the training drawings, and
    (S + ridge tr S/d)^(-1/2)     with S the covariance of the training drawings about the means of their classes.

Both know what a network that learns from the training classes can know: that a direction in which drawings of one class
differ much tells nothing about their class.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number


def without_components(table: Float[Tensor, "class drawing feature"], count: int) -> Float[Tensor, "feature feature"]:
    """The projection that drops the `count` leading principal components of these drawings.

    >>> float(ll.infinite_width.without_components(torch.randn(8, 10, 6), 2).trace().round(decimals=3))
    4.0
    """
    points = _table(table).flatten(0, 1).double()
    size = points.shape[1]
    dropped = int(check_number("count", count, low=0, high=size, integer=True))
    kept = torch.linalg.eigh((points - points.mean(0)).T.cov()).eigenvectors[:, : size - dropped]
    return (kept @ kept.T).to(table.dtype)


def within_class_whitening(
    table: Float[Tensor, "class drawing feature"], ridge: float = 0.1
) -> Float[Tensor, "feature feature"]:
    """The inverse root of the covariance within classes, which makes drawings of one class differ alike everywhere.

    ridge: added to the variances, in units of their mean: directions in which drawings hardly vary at all tell little.
    The default is the best on tasks of the training glyphs, of 0.01, 0.03, 0.1, 0.3 and 1.

    >>> ll.infinite_width.within_class_whitening(torch.randn(8, 10, 6)).shape
    torch.Size([6, 6])
    """
    size = check_number("ridge", ridge, low=0)
    within = (_table(table) - table.mean(1, keepdim=True)).flatten(0, 1).double()
    variances, directions = torch.linalg.eigh(within.T @ within / len(within))
    variances = variances.clamp(min=0) + size * variances.mean()
    if not bool((variances > 0).all()):
        raise InvalidArgument(
            f"ridge must be > 0 here: the drawings of a class do not vary in all directions; got {ridge:g}"
        )
    return ((directions / variances.sqrt()) @ directions.T).to(table.dtype)


def nearest_accuracy(
    tasks: Mapping[str, Tensor], metric: Float[Tensor, "image feature"] | None = None
) -> Float[Tensor, " task"]:
    """The share of query points of each task whose nearest support point, by |A (x - s)|, is of their class.

    metric: A, such as the U of a trained network; None for the identity. tasks: a batch of TaskBatches.

    >>> tasks = ll.infinite_width.TaskBatches(torch.eye(8)[:, None].expand(-1, 10, -1)).batch(0)
    >>> float(ll.infinite_width.nearest_accuracy(tasks).mean())
    1.0
    """
    support, query = tasks["support"], tasks["query"]
    if metric is not None:
        if metric.ndim != 2 or metric.shape[1] != query.shape[-1]:
            raise InvalidArgument(f"metric must have shape (image, {query.shape[-1]}); got {tuple(metric.shape)}")
        support, query = support @ metric.T, query @ metric.T
    nearest = torch.cdist(query, support).argmin(-1)
    return (tasks["support_label"].gather(1, nearest) == tasks["query_label"]).float().mean(1)


def _table(table: Tensor) -> Tensor:
    if table.ndim != 3:
        raise InvalidArgument(f"table must have shape (class, drawing, feature); got {tuple(table.shape)}")
    return table
