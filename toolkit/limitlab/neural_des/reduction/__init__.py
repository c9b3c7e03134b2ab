"""Model order reduction: a trained block with few states and few units, and what it is compared with."""

from limitlab.neural_des.reduction.basis import Basis, pod
from limitlab.neural_des.reduction.field import ElementwiseField, ElementwiseODE, FlatConvolution, operations
from limitlab.neural_des.reduction.problem import ReducedProblem, reduce_problem
from limitlab.neural_des.reduction.reduce import (
    METHODS,
    Snapshots,
    affine_of,
    collect,
    pruned,
    reduce,
    reduced_by_interpolation,
    reduced_by_projection,
    truncated_weights,
)
from limitlab.neural_des.reduction.rows import (
    CHOICES,
    deim_rows,
    error_constant,
    interpolation,
    largest_rows,
    qdeim_rows,
    random_rows,
)

__all__ = [
    "CHOICES",
    "METHODS",
    "Basis",
    "ElementwiseField",
    "ElementwiseODE",
    "FlatConvolution",
    "ReducedProblem",
    "Snapshots",
    "affine_of",
    "collect",
    "deim_rows",
    "error_constant",
    "interpolation",
    "largest_rows",
    "operations",
    "pod",
    "pruned",
    "qdeim_rows",
    "random_rows",
    "reduce",
    "reduce_problem",
    "reduced_by_interpolation",
    "reduced_by_projection",
    "truncated_weights",
]
