"""What a gradient needs that calls a field once more: the same values as before, chance included.

A replay starts from the generators' state of the first run, as in `torch.utils.checkpoint`, and its end is held against
the end that was reached then. A backward equation has no first run: there, chance is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument

ELSEWHERE = "(it draws from generators of its own, or keeps a state between calls)"


class Generators:
    """torch's generators of the CPU and of one device."""

    def __init__(self, device: torch.device) -> None:
        self._devices = [device] if device.type == "cuda" else []

    def state(self) -> list[Tensor]:
        """What `restore` takes."""
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in self._devices)]

    def restore(self, state: Sequence[Tensor]) -> None:
        """Draw on from there."""
        torch.set_rng_state(state[0])
        for device, part in zip(self._devices, state[1:], strict=True):
            torch.cuda.set_rng_state(part, device)

    def have_moved(self, state: Sequence[Tensor]) -> bool:
        """Whether numbers were drawn since then."""
        return any(not torch.equal(one, other) for one, other in zip(state, self.state(), strict=True))

    @contextmanager
    def unmoved(self) -> Iterator[None]:
        """Whatever is drawn inside, the caller's numbers go on as if nothing had been."""
        with torch.random.fork_rng(self._devices):
            yield


def require_same_end(end: Tensor, expected: Tensor) -> None:
    """Raise InvalidArgument unless a replay ends where the first run did; lost samples are left out.

    end, expected: (batch, state).
    """
    end, expected = end.detach(), expected.detach()
    # far above what rounding does along a few steps, far below what other draws do
    bound = torch.finfo(end.dtype).eps ** (1 / 3) * expected.abs().amax(1, keepdim=True)
    if bool(((end - expected).abs() > bound).any()):
        raise InvalidArgument(
            "the field gives other values when its steps are made again " + ELSEWHERE + ": use gradient='direct'"
        )


@torch.no_grad()
def require_no_chance(gradient: str, device: torch.device, *calls: Callable[[], Tensor]) -> None:
    """Raise InvalidArgument where a call draws, or does not give the same values twice."""
    generators = Generators(device)
    with generators.unmoved():
        before = generators.state()
        pairs = [(call(), call()) for call in calls]
        drawn = generators.have_moved(before)
    moved = any(not torch.allclose(one, other, rtol=1e-3, atol=1e-6, equal_nan=True) for one, other in pairs)
    if drawn or moved:
        what = "draws random numbers" if drawn else f"gives other values at every call {ELSEWHERE}"
        raise InvalidArgument(
            f"the field {what}, which the backward equation of gradient {gradient!r} would not see again: "
            "use gradient='direct' or 'checkpoint'"
        )
