"""Quasi-Newton methods for a whole batch in float64: weights <- weights - a H g, with a from a strong Wolfe search.

With s the step, y the change of the gradient g and a the step length, SelfScaledBFGS keeps the dense inverse Hessian
    H <- (H - H y y'H / y'H y + v v') / t + s s' / y's,    v = sqrt(y'H y) (s / y's - H y / y'H y),
    t = min(1, -y's / (a s'g)),    and t = 1 in plain BFGS.
LBFGS applies the last 50 such pairs to a multiple of the identity instead. A loss near its minimum is seen in float64
only: float32 rounds it at 1e-7 of itself, and a line search compares losses. All that the next step depends on is in
the state, so a resumed training repeats an uninterrupted one. A line search costs one look at the device a trial.

Sources: Nocedal, Wright, Numerical Optimization (2006), chapters 6, 7; Al-Baali, Spedicato, Maggioni, Broyden's
quasi-Newton methods for a nonlinear system of equations and unconstrained optimization (2014); Urban, Stefanou, Pons,
Unveiling the optimization process of physics informed neural networks (2025).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.memory import require_memory
from limitlab.training.optimizers.line_search import strong_wolfe

DTYPES = (torch.float64, torch.complex128)
FLATTEST = torch.finfo(torch.float64).eps


class QuasiNewton(torch.optim.Optimizer):
    """What every method shares: `step(closure)`, the line search and where to stop; a method says what H is.

    closure() gives the loss and leaves its gradient in the parameters, as torch.optim.LBFGS wants it too. `ended` says
    after a step why another one would not help, None while it would; `length` is the last step length.
    Raises InvalidArgument for weights that are not float64 or complex128 and for settings of other optimisers.
    """

    ended: str | None = None
    length = 0.0

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1.0,
        *,
        tolerance_gradient: float = 1e-12,
        tolerance_change: float = 1e-15,
    ) -> None:
        defaults = {
            "lr": check_number("lr", lr, low=0),
            "tolerance_gradient": check_number("tolerance_gradient", tolerance_gradient, low=0),
            "tolerance_change": check_number("tolerance_change", tolerance_change, low=0),
        }
        super().__init__(params, dict(defaults))
        for group in self.param_groups:
            if unknown := sorted(group.keys() - {"params", "rate", *defaults}):
                raise InvalidArgument(f"{type(self).__name__} has no {unknown[0]!r} that a group could set")
            if group.get("rate", 1.0) != 1.0:
                raise InvalidArgument("a line search finds one step length for all weights: every rate must be 1")
        self._trained = [p for group in self.param_groups for p in group["params"] if p.requires_grad]
        for p in self._trained:
            if p.dtype not in DTYPES:
                raise InvalidArgument(
                    f"{type(self).__name__} needs weights of float64; got {str(p.dtype).removeprefix('torch.')}, which "
                    "rounds a loss at 1e-7 of itself, so that its line search stalls; call model.double()"
                )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Tensor:  # type: ignore[override]
        """One step: the loss at the new weights, or at the old ones where `ended` says that no step helps."""
        evaluate = torch.enable_grad()(closure)
        group, state = self.param_groups[0], self.state[self._trained[0]]
        if "gradient" not in state and not self._begin(evaluate, state, group["tolerance_gradient"]):
            return state["loss"]
        weights, gradient, loss = self._weights(), state["gradient"], float(state["loss"])
        for restarted in (False, True):
            if restarted:
                self._forget(state)
            direction = self._direction(state, gradient)
            slope = float(direction @ gradient)
            if slope < 0:
                first = group["lr"] * self._first_length(state, gradient, loss, slope)
                trial = strong_wolfe(self._along(evaluate, weights, direction), loss, slope, first)
                if trial is not None:
                    break
        else:
            self._put(weights)
            evaluate()
            self.ended = "the line search finds no lower loss, neither along -H g nor along -g"
            return state["loss"]
        step, latest, self.length = trial.length * direction, self._gradient(), trial.length
        # where rounding hides the change, or a restart has made it useless, H stays as it is
        self._learn(state, step, latest - gradient, trial.length * slope)
        state["step"] += 1
        state["previous_loss"], state["loss"] = state["loss"], torch.tensor(trial.loss, dtype=torch.float64)
        state["gradient"] = latest
        self._stop(step, weights, latest, group)
        return state["loss"]

    def _begin(self, evaluate: Callable[[], Any], state: dict[str, Any], tolerance: float) -> bool:
        """Loss and gradient before the first step; False where there is none to make."""
        loss = torch.as_tensor(evaluate()).detach().double().cpu()
        gradient = self._gradient()
        largest = float(gradient.abs().max())
        state["loss"] = loss
        if not (loss.isfinite() and largest < torch.inf):
            self.ended = "the loss or its gradient is not finite"
            return False
        if largest <= tolerance:
            self.ended = f"the gradient's largest entry, {largest:.3g}, is within tolerance_gradient, {tolerance:.3g}"
            return False
        state.update(gradient=gradient, step=torch.tensor(0.0))
        self._forget(state)
        return True

    def _stop(self, step: Tensor, weights: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None:
        """Set `ended` where the step that was made is to be the last."""
        largest, moved, size = torch.stack([part.abs().max() for part in (gradient, step, weights)]).tolist()
        if largest <= group["tolerance_gradient"]:
            tolerance = group["tolerance_gradient"]
            self.ended = f"the gradient's largest entry, {largest:.3g}, is within tolerance_gradient, {tolerance:.3g}"
        elif moved <= group["tolerance_change"] * max(size, 1.0):
            self.ended = f"the last step changed no weight by more than {moved:.3g}"

    def _along(
        self, evaluate: Callable[[], Any], weights: Tensor, direction: Tensor
    ) -> Callable[[float], tuple[float, float]]:
        """Loss and slope at a step length."""

        def at(length: float) -> tuple[float, float]:
            self._put(torch.add(weights, direction, alpha=length))
            loss = torch.as_tensor(evaluate()).detach().to(direction)
            # both in one transfer: the host decides on the next trial
            value, slope = torch.stack([loss, self._gradient() @ direction]).tolist()
            return value, slope

        return at

    def _first_length(self, state: Mapping[str, Any], gradient: Tensor, loss: float, slope: float) -> float:
        """The first trial: a step of length one at the start, then -H g itself."""
        return 1.0 if "previous_loss" in state else min(1.0, 1.01 / float(gradient.norm()))

    def _weights(self) -> Tensor:
        return torch.cat([_real(p.detach()).reshape(-1) for p in self._trained])

    def _gradient(self) -> Tensor:
        return torch.cat([_real(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in self._trained])

    def _put(self, weights: Tensor) -> None:
        for p, part in zip(self._trained, weights.split([_real(p).numel() for p in self._trained]), strict=True):
            _real(p.detach()).copy_(part.view_as(_real(p)))

    def _forget(self, state: dict[str, Any]) -> None:
        """Make H the identity."""
        raise NotImplementedError

    def _direction(self, state: dict[str, Any], gradient: Tensor) -> Tensor:
        """-H g."""
        raise NotImplementedError

    def _learn(self, state: dict[str, Any], step: Tensor, change: Tensor, predicted: float) -> None:
        """Bring H up to date with a step and the change of the gradient; `predicted`: step times old gradient."""
        raise NotImplementedError


class SelfScaledBFGS(QuasiNewton):
    """Self-scaled BFGS, and plain BFGS with scaling=False.

    For some 5000 weights: H has their number squared, in checkpoints too.

    >>> x = torch.tensor([3.0, -2.0], dtype=torch.float64, requires_grad=True)
    >>> optimizer = ll.training.quasi_newton.SelfScaledBFGS([x])
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = x[0] ** 2 + 100 * x[1] ** 2
    ...     loss.backward()
    ...     return loss
    >>> while optimizer.ended is None:
    ...     loss = optimizer.step(closure)
    >>> bool(loss < 1e-20)
    True
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1.0,
        *,
        scaling: bool = True,
        **rest: Any,
    ) -> None:
        super().__init__(params, lr, **rest)
        self.scaling = scaling

    def _forget(self, state: dict[str, Any]) -> None:
        gradient = state["gradient"]
        if "inverse_hessian" not in state:
            purpose, advice = f"the dense inverse Hessian of {len(gradient)} weights", "take optimizer='lbfgs'"
            require_memory(8 * len(gradient) ** 2, purpose, gradient.device, advice=advice)
        state["inverse_hessian"] = torch.eye(len(gradient), dtype=gradient.dtype, device=gradient.device)

    def _first_length(self, state: Mapping[str, Any], gradient: Tensor, loss: float, slope: float) -> float:
        """-H g or less, where the last decrease predicts less, as SciPy begins: a third fewer evaluations."""
        if "previous_loss" not in state:
            return super()._first_length(state, gradient, loss, slope)
        expected = 2.02 * (loss - float(state["previous_loss"])) / slope
        return min(1.0, expected) if expected > 0 else 1.0

    def _direction(self, state: dict[str, Any], gradient: Tensor) -> Tensor:
        return -(state["inverse_hessian"] @ gradient)

    def _learn(self, state: dict[str, Any], step: Tensor, change: Tensor, predicted: float) -> None:
        inverse = state["inverse_hessian"]
        moved = inverse @ change
        ys, yhy, yy = torch.stack([change @ step, change @ moved, change @ change]).tolist()
        if ys <= FLATTEST * yy:
            return
        # -a s'g is s'B s, the curvature that H foresaw along the step
        scale = min(1.0, ys / (-self.length * predicted)) if self.scaling else 1.0
        # H - Hy y'H / y'Hy + v v' multiplied out has rank two: one pass over H
        right = torch.stack([((1 + yhy / (scale * ys)) * step - moved / scale) / ys, -step / (scale * ys)])
        inverse.addmm_(torch.stack([step, moved], 1), right, beta=1 / scale)


class LBFGS(QuasiNewton):
    """Limited-memory BFGS: H is a multiple of the identity, changed by the last `history` steps.

    >>> x = torch.tensor([3.0, -2.0], dtype=torch.float64, requires_grad=True)
    >>> optimizer = ll.training.quasi_newton.LBFGS([x], history=5)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = x[0] ** 2 + 100 * x[1] ** 2
    ...     loss.backward()
    ...     return loss
    >>> while optimizer.ended is None:
    ...     loss = optimizer.step(closure)
    >>> bool(loss < 1e-20)
    True
    """

    def __init__(
        self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float = 1.0, *, history: int = 50, **rest: Any
    ) -> None:
        super().__init__(params, lr, **rest)
        self.history = int(check_number("history", history, low=1, integer=True))

    def _forget(self, state: dict[str, Any]) -> None:
        gradient = state["gradient"]
        state["steps"], state["changes"] = (gradient.new_zeros(0, len(gradient)) for _ in range(2))

    def _direction(self, state: dict[str, Any], gradient: Tensor) -> Tensor:
        steps, changes = state["steps"], state["changes"]
        direction = -gradient
        if not len(steps):
            return direction
        curvatures = (steps * changes).sum(1)
        weights: list[Tensor] = []
        for step, change, curvature in zip(steps.flip(0), changes.flip(0), curvatures.flip(0), strict=True):
            weights.append(step @ direction / curvature)
            direction.addcmul_(weights[-1], change, value=-1)
        direction *= curvatures[-1] / (changes[-1] @ changes[-1])
        for step, change, curvature in zip(steps, changes, curvatures, strict=True):
            direction.addcmul_(weights.pop() - change @ direction / curvature, step)
        return direction

    def _learn(self, state: dict[str, Any], step: Tensor, change: Tensor, predicted: float) -> None:
        ys, yy = torch.stack([change @ step, change @ change]).tolist()
        if ys > FLATTEST * yy:
            for name, new in (("steps", step), ("changes", change)):
                state[name] = torch.cat([state[name], new[None]])[-self.history :].contiguous()


def _real(tensor: Tensor) -> Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
