"""Training on a pool of states that the model itself moves: data of a time step, without a solver.

    u' = model(u) for slots of the pool;    loss = mean D(u', u)^2;    pool[slot] <- u' or, now and then, a fresh state

D is the residual of one step of a scheme. The pool walks along the learned trajectories, so that the model sees the
states that it will meet. A slot begins anew with a fixed chance, and where its state is not finite or has grown beyond
ten times its first norm. The states are a buffer of the trained module and the draws a function of the step, so a
resumed training repeats an uninterrupted one.

Source: Wandel, Weinmann, Klein, Learning incompressible fluid dynamics from scratch (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, check_numbers
from limitlab.saved import Saved
from limitlab.training.batches import Batches

LARGEST_GROWTH = 10.0


class Pooled(Saved):
    """A model of one time step with its pool: `states` (slot, channel, *grid), at the start the fresh states given.

    Called, it is the model. fresh: their shape in place of states gives zeros. Raises InvalidArgument.

    >>> step = ll.training.Pooled(torch.nn.Conv1d(1, 1, 1), torch.randn(8, 1, 16))
    >>> step(torch.zeros(2, 1, 16)).shape, step.states.shape
    (torch.Size([2, 1, 16]), torch.Size([8, 1, 16]))
    """

    states: Tensor
    norms: Tensor

    def __init__(self, model: nn.Module, fresh: Float[Tensor, "slot channel *grid"] | Sequence[int]) -> None:
        super().__init__()
        if isinstance(fresh, Sequence):
            shape = check_numbers("fresh", fresh, low=1, integer=True)
            fresh = torch.zeros([int(points) for points in shape])
        if not isinstance(fresh, Tensor) or fresh.ndim < 3 or not len(fresh) or not bool(fresh.isfinite().all()):
            raise InvalidArgument("fresh must be finite states (slot, channel, *grid), one or more")
        self.model = model
        self.register_buffer("states", fresh.detach().clone())
        self.register_buffer("norms", _norms(self.states))

    @property
    def arguments(self) -> dict[str, Any]:
        """The model, and the shape of the pool, whose states are among the weights."""
        return {"model": self.model, "fresh": tuple(self.states.shape)}

    def forward(self, u: Float[Tensor, "batch channel *grid"]) -> Float[Tensor, "batch channel *grid"]:
        return self.model(u)

    @torch.no_grad()
    def keep(
        self,
        slot: Int[Tensor, "batch"],
        after: Float[Tensor, "batch channel *grid"],
        restart: Tensor,
        fresh: Float[Tensor, "batch channel *grid"],
    ) -> None:
        """Write the states reached into their slots, or the fresh ones: where asked, and where a state blew up."""
        # not (>), which a NaN would pass
        anew = restart | ~(_norms(after) <= LARGEST_GROWTH * self.norms[slot])
        self.states[slot] = torch.where(anew.view(-1, *[1] * (after.ndim - 1)), fresh, after).to(self.states.dtype)
        self.norms[slot] = torch.where(anew, _norms(fresh), self.norms[slot])


def pool_batches(
    bank: Float[Tensor, "sample channel *grid"], slots: int, *, size: int, lifetime: float, seed: int = 0
) -> Batches:
    """Batches of `size` different slots, each to begin anew with the chance 1/lifetime from a state of the bank.

    Raises InvalidArgument.

    >>> batches = ll.training.pool_batches(torch.randn(32, 1, 16), 8, size=4, lifetime=20.0)
    >>> sorted(batches.batch(0)), batches.batch(0)["slot"].shape
    (['fresh', 'restart', 'slot'], torch.Size([4]))
    """
    slots = int(check_number("slots", slots, low=1, integer=True))
    size = int(check_number("size", size, low=1, high=slots, integer=True))
    return _PoolBatches(bank, slots, size, check_number("lifetime", lifetime, low=1.0), seed)


def pool_loss(
    residual: Callable[[Tensor, Tensor], Tensor], *, unroll: int = 1
) -> Callable[[nn.Module, Mapping[str, Any]], dict[str, Tensor]]:
    """loss(Pooled, batch of pool_batches): mean squared residual(u', u) over `unroll` steps, which move the pool.

    Gradients go through all steps; the pool has none. Raises InvalidArgument.

    >>> loss = ll.training.pool_loss(lambda after, before: after - 0.5 * before)
    >>> step = ll.training.Pooled(torch.nn.Identity(), torch.ones(8, 1, 16))
    >>> loss(step, ll.training.pool_batches(torch.ones(9, 1, 16), 8, size=4, lifetime=5.0).batch(0))
    {'residual': tensor(0.2500)}
    """
    unroll = int(check_number("unroll", unroll, low=1, high=64, integer=True))

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        if not isinstance(model, Pooled):
            raise InvalidArgument(f"a pool loss needs a Pooled model; got {type(model).__name__}")
        state, terms = model.states[batch["slot"]], []
        for _ in range(unroll):
            before, state = state, model(state)
            terms.append(residual(state, before).square().mean())
        model.keep(batch["slot"], state.detach(), batch["restart"], batch["fresh"].to(state))
        return {"residual": torch.stack(terms).mean()}

    return loss


class _PoolBatches:
    def __init__(self, bank: Tensor, slots: int, size: int, lifetime: float, seed: int) -> None:
        self.bank, self.slots, self.size, self.lifetime, self.seed = bank, slots, size, lifetime, seed

    def batch(self, step: int) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(1_000_003 * int(self.seed) + int(step))
        fresh = torch.randint(len(self.bank), (self.size,), generator=generator)
        return {
            "slot": torch.randperm(self.slots, generator=generator)[: self.size],
            "restart": torch.rand(self.size, generator=generator) < 1 / self.lifetime,
            "fresh": self.bank[fresh],
        }

    def shard(self, rank: int, world: int) -> Batches:
        raise InvalidArgument("training on a pool runs in one process")


def _norms(u: Tensor) -> Tensor:
    return u.flatten(1).norm(dim=1)
