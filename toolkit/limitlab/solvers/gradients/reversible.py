"""The gradient of reversible Heun with the memory of one step: the march is run backwards, exactly.

From (y+, z+, v+) with v+ = f(t + h, z+), the step before is

    z = 2 y+ - z+ - h v+,    v = f(t, z),    y = y+ - h/2 (v + v+),

and its cotangents follow from those of (y+, z+, v+) by one vector-Jacobian product of f at z+.
Source: Kidger, Foster, Li & Lyons 2021, algorithm 2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from limitlab.errors import InvalidArgument
from limitlab.solvers.gradients.leaves import SameLeaves, Totals, inner_leaf
from limitlab.solvers.gradients.replay import require_no_chance
from limitlab.solvers.methods.geometric import HERMITE, ReversibleHeun
from limitlab.solvers.ode.march import March, Outcome


def reversible(march: March, y: Tensor, slope: Tensor, parameters: tuple[Tensor, ...]) -> Outcome:
    """The states with the gradient by reversal; the log has none."""
    if march.control.step_size is None or march.events or not isinstance(march.method, ReversibleHeun):
        raise InvalidArgument(
            f"gradient 'reversible' needs method='reversible_heun' with a step_size, no stops and no events; got "
            f"{march.method.name!r}; use gradient='direct' or 'checkpoint'"
        )
    start = march.times[:, :1].to(y.dtype)
    require_no_chance("reversible", y.device, lambda: march.field(start, y))
    outcomes: list[Outcome] = []
    states = _Reversed.apply(march, outcomes, y, *parameters)
    return outcomes[0]._replace(states=states)


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, march, outcomes, y, *parameters):
        last: list[Tensor] = []
        outcome = march.run(y, march.field(march.times[:, :1].to(y.dtype), y), last=last)
        outcomes.append(outcome)
        ctx.march, ctx.parameters, ctx.last = march, parameters, last
        return outcome.states

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        march, parameters = ctx.march, ctx.parameters
        # the very times of the forward march: other roundings of t would not give back the same states
        grid = march.uniform_grid()
        y, _, z = ctx.last
        totals, same = Totals(parameters), SameLeaves(parameters)
        to_y, to_z, to_v = grad[:, -1].clone(), torch.zeros_like(y), torch.zeros_like(y)

        def slope_at(t: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                z = inner_leaf(z)
                return z, march.field(t.to(z.dtype), z)

        def pull(z: Tensor, v: Tensor, cotangent: Tensor) -> Tensor:
            if not v.requires_grad:
                return torch.zeros_like(z)
            same.require([v])
            to_state, *rest = torch.autograd.grad(v, [z, *parameters], cotangent, allow_unused=True, retain_graph=True)
            totals.add(rest)
            return torch.zeros_like(z) if to_state is None else to_state

        z, v = slope_at(grid[:, -1:], z)
        for step in range(grid.shape[1] - 2, -1, -1):
            t, after = grid[:, step : step + 1], grid[:, step + 1 : step + 2]
            h = (after - t).to(y.dtype)
            moved = h != 0
            before = torch.where(moved, 2 * y - z.detach() - h * v.detach(), z.detach())
            z_before, v_before = slope_at(t, before)
            y_before = y - 0.5 * h * (v_before.detach() + v.detach())
            shares = _output_shares(march.times, grad, t, after)
            to_y_before, to_v_before = to_y + shares[0], shares[1]
            to_y, to_v = to_y + shares[2], to_v + shares[3] + 0.5 * h * (to_y + shares[2])
            to_y_before = to_y_before + shares[2]
            to_z = to_z + torch.where(moved, pull(z, v, torch.where(moved, to_v, 0.0)), 0.0)
            to_v_before = to_v_before + torch.where(moved, 0.5 * h * to_y + h * to_z, to_v)
            to_y, to_z = torch.where(moved, to_y_before + 2 * to_z, to_y), torch.where(moved, -to_z, to_z)
            to_v, y, z, v = to_v_before, y_before, z_before, v_before
        return None, None, to_y + to_z + pull(z, v, to_v) + grad[:, 0], *totals.sums


def _output_shares(times: Tensor, grad: Tensor, t: Tensor, after: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cotangents (y, v, y+, v+) of a step from the outputs inside it, which are Hermite interpolants of its ends."""
    inside = ((times > t) & (times <= after))[:, 1:-1, None]
    size = (after - t)[..., None]
    theta = torch.where(inside, (times[:, 1:-1, None] - t[..., None]) / torch.where(size > 0, size, 1.0), 0.0)
    powers = torch.cat([theta, theta**2, theta**3], 2).to(grad.dtype)
    to_slope, to_last, to_end = (powers @ powers.new_tensor(row)[:, None] for row in HERMITE)
    inner = torch.where(inside, grad[:, 1:-1], 0.0)
    h = size.to(grad.dtype)
    parts = (inner * (1 - to_end), inner * h * to_slope, inner * to_end, inner * h * to_last)
    return tuple(part.sum(1) for part in parts)  # type: ignore[return-value]
