"""Networks of a reader's own for hidden terms: each takes the place of the perceptron, all else as it is.

A network maps (point, input) to (point, term): inputs are standardised by the data as for the perceptron, about within
[-1, 1], outputs are in the units of the equations' sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.pinn import UPINN
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.rivals import copied_or_made, require_answer, require_trainable
from limitlab.training.streams import seeded

Term = nn.Module | Callable[[tuple[int, int]], nn.Module]


class OwnTerm(nn.Module):
    """A network of one's own behind the standardisation of its inputs."""

    def __init__(self, features: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.features, self.network = features, network

    def forward(self, points: Float[Tensor, "point input"]) -> Float[Tensor, "point term"]:
        """The term before it is scaled."""
        streams = self.features(points, points.new_zeros(0, points.shape[-1]), 0)
        answer: Tensor = self.network(streams[:, 0].T)
        return answer


def checked_terms(models: Mapping[str, Term] | None) -> dict[str, Term]:
    """The networks by name. Raises InvalidArgument for what is none.

    >>> from limitlab_widgets.discovery.own_terms import checked_terms
    >>> list(checked_terms({"line": torch.nn.Linear(2, 1)}))
    ['line']
    """
    for name, model in (models or {}).items():
        if not name or not callable(model):
            raise InvalidArgument(f"{name!r} must name a torch module or a function of the sizes; got {model!r:.80}")
    return dict(models or {})


def with_term(model: UPINN, name: str, term: Term, seed: int) -> UPINN:
    """The networks with one's own in the place of the perceptron of the hidden terms.

    term: a torch module, which is copied, or a function of (inputs, terms) that makes one. It is asked once. Raises
    InvalidArgument for what does not map (point, inputs) to (point, terms).
    """
    sizes = len(model.inputs), len(model.hidden.equations)
    with seeded(seed):
        own = OwnTerm(model.term.features, copied_or_made(name, term, sizes).double())
    require_trainable(name, own)
    mapping = f"{name} must map (point, {sizes[0]}) to (point, {sizes[1]})"
    points = torch.zeros(3, sizes[0], dtype=torch.float64)
    require_answer(lambda: own(points), (3, sizes[1]), takes=mapping, gives=mapping)
    model.add_module("term", own)
    return model
