"""The size of a solution as a two-layer network: the smallest path norm that reaches an error.

    min  sum_j |a_j| (|w_j|_1 + |b_j|)    subject to    |u - u*| <= e |u*|

is an upper bound of the norm of E, Ma and Wu up to e. Its curve over e is traced by a penalty: the minimisers of energy
plus p times the path norm, for rising p, go from the best network to the smallest. The optimum of a training is local,
so each point is a bound from above. Source: E, Ma, Wu, The Barron space and the flow-induced function spaces for neural
network models (2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from limitlab.discovery.variational.energies import Energy, Target, manufactured
from limitlab.discovery.variational.networks import TwoLayer
from limitlab.discovery.variational.ritz import CubePoints, ritz_errors, ritz_loss, ritz_recipe
from limitlab.errors import check_numbers
from limitlab.labels import labelled
from limitlab.training import fit

if TYPE_CHECKING:
    import xarray as xr

PENALTIES = (0.0, 1e-3, 1e-2, 3e-2, 0.1)


def path_curve(
    energy: Energy,
    target: Target,
    penalties: Sequence[float] = PENALTIES,
    *,
    width: int = 64,
    steps: int = 600,
    batch_size: int = 500,
    seed: int = 0,
) -> xr.Dataset:
    """Path norm, errors and the smallest norm of any network at least as good, by penalty: all (penalty).

    >>> v = ll.discovery.variational
    >>> curve = v.path_curve(v.instance("V1"), v.cosines(1), (0.0, 1.0), width=8, steps=60)
    >>> bool(curve["path_norm"][1] < curve["path_norm"][0])
    True
    """
    weights = check_numbers("penalties", penalties, low=0)
    source = manufactured(energy, target)
    norms, errors = [], []
    for weight in weights:
        network = TwoLayer(target.dimension, width, seed=seed)
        loss = ritz_loss(energy, source, path=weight)
        points = CubePoints(target.dimension, batch_size, seed=seed)
        for _ in fit(network, ritz_recipe(loss, points, steps), seed=seed, device="cpu"):
            pass
        norms.append(float(network.path_norm().detach()))
        errors.append(ritz_errors(network, energy, target))
    l2 = torch.tensor([float(error["l2"]) for error in errors])
    as_good = l2[None, :] <= l2[:, None]
    smallest = torch.where(as_good, torch.tensor(norms), torch.inf).amin(1)
    return labelled(
        path_norm=("penalty", norms, "path norm"),
        l2=("penalty", l2, "relative L2 error"),
        gradient=("penalty", [float(error["gradient"]) for error in errors], "relative error of the gradient"),
        smallest=("penalty", smallest, "smallest path norm with an error as small"),
        penalty=("penalty", weights, "weight of the path norm in the loss"),
    )
