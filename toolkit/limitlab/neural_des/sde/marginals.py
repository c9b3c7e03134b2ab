"""How alike two ensembles of paths are, time by time: what a model of laws is judged by."""

from __future__ import annotations

import torch
from jaxtyping import Float
from scipy.stats import wasserstein_distance
from torch import Tensor

from limitlab.errors import InvalidArgument


def marginal_distances(
    paths: Float[Tensor, "sample time"], reference: Float[Tensor, "other time"]
) -> Float[Tensor, " time"]:
    """W1 of the marginal laws at every time, over the deviation of the reference there.

    Two ensembles of n normal paths from the same law are about 0.6 (2/n)^(1/2) apart. NaN are missing values.

    >>> paths = torch.randn(500, 2)
    >>> distances = ll.neural_des.sde.marginal_distances(paths + 1, paths)
    >>> torch.allclose(distances, 1 / paths.std(0).double(), atol=1e-4)
    True
    """
    if paths.dim() != 2 or reference.dim() != 2 or paths.shape[1] != reference.shape[1]:
        raise InvalidArgument(
            f"paths and reference must be (sample, time) with the same times; got {tuple(paths.shape)} and "
            f"{tuple(reference.shape)}"
        )
    columns = (part.detach().double().cpu().T for part in (paths, reference))
    distances = []
    for ours, theirs in zip(*columns, strict=True):
        ours, theirs = ours[~ours.isnan()], theirs[~theirs.isnan()]
        if len(ours) < 2 or len(theirs) < 2:
            raise InvalidArgument("two measured values are needed at every time")
        distances.append(wasserstein_distance(ours.numpy(), theirs.numpy()) / float(theirs.std()))
    return torch.tensor(distances, dtype=torch.float64)


def increment_ratio(paths: Float[Tensor, "sample time"], reference: Float[Tensor, "other time"]) -> float:
    """Deviation of the increments from one time to the next, over that of the reference: 1 for paths as rough.

    >>> walk = torch.randn(200, 30).cumsum(1)
    >>> round(ll.neural_des.sde.increment_ratio(2 * walk, walk), 3)
    2.0
    """
    return float(paths.detach().diff(dim=1).std() / reference.detach().diff(dim=1).std())
