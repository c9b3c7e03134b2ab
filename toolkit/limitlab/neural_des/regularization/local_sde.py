"""The error of one step of a stochastic equation at a state that a solve has passed, with fresh noise.

    R = E(tau, u, h, dW) h,    dW of variance h,    E from the scheme's own pair

With t = tau + h s the equation is du = h f ds + sqrt(h) g dW_s on [0, 1], so that every sample may have a size of its
own. Without noise Euler-Heun's estimate is that of the ordinary Heun pair.
Source: Pal, Edelman & Rackauckas 2023; Lamba 2003 (the estimate).
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from limitlab.solvers import solve_sde
from limitlab.solvers.sde.fields import Calculus

Field = Callable[[Tensor, Tensor], Tensor]


def local_sde_error(
    drift: Field,
    diffusion: Field,
    step: tuple[Float[Tensor, " batch"], Float[Tensor, "batch state"], Float[Tensor, " batch"]],
    *,
    seed: int,
    method: str = "euler_heun",
    calculus: Calculus = "stratonovich",
    rtol: float = 1e-2,
    atol: float = 1e-3,
) -> Float[Tensor, " batch"]:
    """E of one step of a scheme with diagonal noise from u at tau of size h, differentiable in the fields and in u.

    step: (tau, u, h), such as `step_at` gives. seed: of the increment. Raises as `solve_sde` does.

    >>> step = torch.zeros(2), torch.ones(2, 1), torch.tensor([0.2, 0.1])
    >>> still = lambda t, y: torch.zeros_like(y)
    >>> error = ll.neural_des.regularization.local_sde_error(lambda t, y: -y, still, step, seed=0)
    >>> round(float(error[0] / error[1]), 3)
    4.0
    """
    tau, u, size = step
    start, length = tau.to(u.dtype)[:, None], size.to(u.dtype)[:, None]
    scaled = solve_sde(
        lambda s, y: length * drift(start + length * s, y),
        lambda s, y: length.sqrt() * diffusion(start + length * s, y),
        u, (0.0, 1.0), seed=seed, method=method, calculus=calculus, rtol=rtol, atol=atol, first_step=1.0, max_steps=1,
        on_failure="mask",
    )  # fmt: skip
    return scaled.log.error[:, 0]
