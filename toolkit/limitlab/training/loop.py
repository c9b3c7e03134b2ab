"""The one loop that trains: a generator of Progress, one for each step.

A step takes batch b = batches.batch(step), the named terms loss(model, b) and their sum L, then
    g = gradient of L, averaged over processes, scaled to norm <= clip;    weights <- optimiser(weights, g, rate(step)).
Everything in it is a function of the step and of the stored state, so a resumed training repeats an uninterrupted one.
A recipe's phases follow each other; a quasi-Newton optimiser evaluates the loss as often as its line search asks, and
where it says that no step helps, the phase ends with the warning PhaseEndedEarly and the step count goes to its end.

Losses are brought to the host and looked at every `log_every` steps: at each on a CPU, where it is free, else every
20, since a float of a loss makes the host wait. The log has every step all the same. The price: on a device a
divergence is named exactly but noticed up to `log_every` - 1 steps late. AdamW: Loshchilov, Hutter, Decoupled weight
decay regularization (2019); its decay is right for complex weights too, which it sees as pairs of reals.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.training import checkpoints
from limitlab.training.batches import Batches
from limitlab.training.device import PRECISIONS, accelerator, is_main_process, prepared
from limitlab.training.device import device as torch_device
from limitlab.training.divergence import TrainingDiverged, require_finite_losses, require_finite_weights
from limitlab.training.optimizers.quasi_newton import QuasiNewton
from limitlab.training.phases import Phase, identity, make_optimizer, plan, require_same
from limitlab.training.progress import Progress
from limitlab.training.recipe import Recipe, require_batches

if TYPE_CHECKING:
    from limitlab.training.runs import Run


def fit(
    model: nn.Module,
    recipe: Recipe,
    *,
    run: Run | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: str = "no",
    checkpoint_every: int | None = None,
    log_every: int | None = None,
) -> Generator[Progress, None, None]:
    """Train `model` in place, giving a Progress after each step (1 .. steps); closing the generator stops it.

    The global random generators are seeded with `seed` at the start; what the recipe's `evaluate` draws at random does
    not touch the training. With a `run` every step is logged, and a checkpoint is written every `checkpoint_every`
    steps (default: ten times), when the generator is closed, and at the end, together with the weights. `resume` goes
    on from the newest good one, or begins where there is none; a finished training gets its weights back and gives
    nothing. In several processes each takes its shard of the batch, and the model that `loss` gets averages the
    gradients. The model is left on the device, in eval mode.

    Raises InvalidArgument for bad arguments (at once), a checkpoint of another training or a quasi-Newton phase whose
    loss is not fixed or not float64, and TrainingDiverged (on a CPU before the weights are touched); the last good
    checkpoint stays. Warns PhaseEndedEarly where a quasi-Newton phase ends before its last step.

    >>> line, x = torch.nn.Linear(1, 1), torch.linspace(0, 1, 8)[:, None]
    >>> loss = lambda model, batch: {"mse": (model(batch["x"]) - 2 * batch["x"]).square().mean()}
    >>> recipe = ll.training.descent(loss, ll.training.fixed(x=x), steps=200, learning_rate=0.5)
    >>> round([step.loss for step in ll.training.fit(line, recipe, device="cpu")][-1], 2)
    0.0
    """
    if not isinstance(model, nn.Module) or not any(p.requires_grad for p in model.parameters()):
        raise InvalidArgument("model must be a torch.nn.Module with at least one trainable parameter")
    if not isinstance(recipe, Recipe):
        raise InvalidArgument(f"recipe must be a limitlab.training.Recipe; got {type(recipe).__name__}")
    one_of("precision", precision, PRECISIONS)
    torch_device(device)
    checkpoint_every, log_every = (
        None if cadence is None else int(check_number(argument, cadence, low=1, integer=True))
        for argument, cadence in (("checkpoint_every", checkpoint_every), ("log_every", log_every))
    )
    if resume and run is None:
        raise InvalidArgument("resume=True needs the run to resume from")
    seed = int(check_number("seed", seed, low=0, integer=True))
    if run is not None and not resume and is_main_process() and (run.log or checkpoints.paths(run.checkpoints)):
        raise InvalidArgument(f"{run.folder} already holds a training; resume it, or train in run.child(name)")
    training = _Training(model, recipe, run, checkpoint_every or math.ceil(recipe.steps / 10))
    return training.steps(resume, seed, device, precision, log_every)


class _Training:
    """One training under way: the step it has reached, what is not written yet, where a resumed one would go on."""

    def __init__(self, model: nn.Module, recipe: Recipe, run: Run | None, checkpoint_every: int) -> None:
        self.model, self.recipe, self.run, self.checkpoint_every = model, recipe, run, checkpoint_every
        self.evaluate_every = recipe.evaluate_every or recipe.steps
        self.step, self.stored, self.seconds = 0, 0, 0.0
        self.start: checkpoints.Start | None = None
        self.pending: list[Progress] = []
        self.norms: list[float] = []

    def steps(
        self, resume: bool, seed: int, device: str, precision: str, log_every: int | None
    ) -> Generator[Progress, None, None]:
        """The steps that are left, one Progress each."""
        self._begin(resume, seed, device, precision)
        self.log_every = log_every or (1 if self.face.device.type == "cpu" else 20)
        self.model.train()
        try:
            with prepared(self.face, self.model) as network:
                for phase in plan(self.recipe):
                    if self.step < phase.end:
                        self._enter(phase, network)
                    while self.step < phase.end:
                        yield self._advance(network)
        except TrainingDiverged as diverged:
            self._write_log(before=diverged.step)
            raise
        # a closed generator keeps its work, but only weights that were checked
        except GeneratorExit:
            if self.step > self.stored:
                require_finite_losses(self.pending, self.model, self.norms, self.shard.batch)
                self._write_checkpoint()
            raise
        finally:
            self.model.eval()

    def _begin(self, resume: bool, seed: int, device: str, precision: str) -> None:
        """Everything on its device, with weights, optimiser, random state and log at the step to go on from."""
        self.face = accelerator(device, precision)
        # before the optimiser is made, whose state follows the parameters
        self.model.to(self.face.device)
        # before the weights of a checkpoint come: a resumed training compares with the same start
        self.fresh = copy.deepcopy(self.model).eval() if self.recipe.evaluate is not None else None
        phases = plan(self.recipe)
        self.optimizers = [make_optimizer(self.model, phase.recipe) for phase in phases]
        rank, processes = self.face.process_index, self.face.num_processes
        for phase, optimizer in zip(phases, self.optimizers, strict=True):
            if isinstance(optimizer, QuasiNewton):
                phase.require_one_process(processes, precision)
        self.identity = identity(phases, self.optimizers, seed, precision, processes)
        self.latest = checkpoints.latest(self.run.checkpoints) if self.run is not None and resume else None
        if self.latest is not None:
            self.step, self.seconds = self.latest.step, self.latest.seconds
        # every process draws for itself; the stored random state is that of the main one
        checkpoints.seed_everything(seed + rank + (self.step if rank else 0))
        if self.latest is not None:
            require_same(self.identity, self.latest)
            self._restore_random(self.latest.random_state)
            self.latest.restore_model(self.model)
        if self.run is not None:
            self.run.truncate_log(self.step)
        self.stored = self.step

    def _enter(self, phase: Phase, network: nn.Module) -> None:
        """Begin a phase, or go on in the middle of one after the checkpoint `latest`."""
        self.phase, self.optimizer = phase, self.optimizers[phase.number]
        # a dense inverse Hessian is as large as all else together
        for done in self.optimizers[: phase.number]:
            done.state.clear()
        self.factor = phase.recipe.factor
        self.norms.clear()
        latest, self.latest = self.latest if self.step > phase.first else None, None
        self._make_batches(latest)
        if latest is not None:
            latest.restore_optimizer(self.optimizer)
        if isinstance(self.optimizer, QuasiNewton):
            phase.require_fixed(self.model, self.shard.batch, lambda: self._terms(network))

    def _make_batches(self, latest: checkpoints.Checkpoint | None) -> None:
        """The phase's batches; where a function makes them, from weights and random state now, or those of `latest`."""
        batches, self.start = self.phase.recipe.batches, None
        if callable(batches) and not hasattr(batches, "batch"):
            batches = self._made(batches, latest)
        rank, processes = self.face.process_index, self.face.num_processes
        self.shard = require_batches(batches).shard(rank, processes) if processes > 1 else require_batches(batches)

    def _made(self, make: Callable[[nn.Module], Batches], latest: checkpoints.Checkpoint | None) -> Batches:
        if latest is not None:
            latest.restore_model(self.model, start=True)
            self._restore_random(latest.start_random)
        weights = {name: tensor.clone() for name, tensor in checkpoints.weights_of(self.model).items()}
        self.start = checkpoints.Start(weights, checkpoints.random_state())
        batches = make(self.model)
        if latest is not None:
            latest.restore_model(self.model)
            self._restore_random(latest.random_state)
        return batches

    def _restore_random(self, state: Mapping[str, Any] | None) -> None:
        if state is not None and self.face.process_index == 0:
            checkpoints.set_random_state(state)

    def _advance(self, network: nn.Module) -> Progress:
        """One step: gradient, checks, weights; then what is due of metrics, log and checkpoint."""
        began = time.perf_counter()
        renew_every = self.phase.recipe.renew_every
        if renew_every and self.step > self.phase.first and (self.step - self.phase.first) % renew_every == 0:
            self._make_batches(None)
        searching = isinstance(self.optimizer, QuasiNewton)
        progress = self._search(network) if searching else self._gradient(network)
        self.step = progress.step
        self.pending.append(progress)
        # a line search has its losses on the host
        if searching:
            require_finite_losses(self.pending, self.model, self.norms, self.shard.batch)
            self._end_early()
        evaluating, storing = self._due(self.evaluate_every), self._due(self.checkpoint_every)
        looking = evaluating or storing or self._due(self.log_every)
        if not searching:
            # before the optimiser: on a CPU, which looks at every step, a bad gradient never reaches the weights
            if looking:
                require_finite_losses(self.pending, self.model, self.norms, self.shard.batch)
            self.optimizer.step()
        if self.phase.recipe.adapt is not None:
            self.phase.recipe.adapt(self.model, progress)
        if evaluating and self.recipe.evaluate is not None:
            progress.metrics = self._metrics()
        # before the checkpoint is written: the disk's time is not the training's
        self.seconds += time.perf_counter() - began
        progress.seconds = self.seconds
        if storing:
            self._write_checkpoint()
        elif looking:
            self._write_log()
        return progress

    def _gradient(self, network: nn.Module) -> Progress:
        """The gradient of the step's loss, clipped, in the parameters."""
        learning_rate = self.phase.recipe.learning_rate * self.factor(self.step - self.phase.first)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["rate"]
        terms = self._backward(network)
        norm = _clipped_gradient_norm(self.model, self.phase.recipe.clip)
        # no float() here, which would wait for the device at every step
        losses = {name: term.detach() for name, term in terms.items()}
        if self.face.num_processes > 1:
            means = self.face.reduce(torch.stack(list(losses.values())), "mean")
            losses = dict(zip(losses, means.unbind(), strict=True))
        return self._progress(losses, learning_rate, norm)

    def _search(self, network: nn.Module) -> Progress:
        """A step of a quasi-Newton optimiser: weights, losses and gradient are those that its line search accepted."""
        assert isinstance(self.optimizer, QuasiNewton)
        losses: dict[str, Tensor] = {}

        def closure() -> Tensor:
            # the accepted trial is the last one evaluated
            losses.update((name, term.detach()) for name, term in self._backward(network).items())
            return torch.stack(list(losses.values())).sum()

        gram = self.phase.recipe.gram
        self.optimizer.step(closure, partial(gram, self.model, self._batch()) if gram else None)
        return self._progress(losses, self.optimizer.length, _clipped_gradient_norm(self.model, None))

    def _backward(self, network: nn.Module) -> dict[str, Tensor]:
        """The named terms of the step's loss, with the gradient of their sum in the parameters."""
        # None, not zero: weight decay must not move a parameter that no loss reaches
        self.optimizer.zero_grad(set_to_none=True)
        terms = self._terms(network)
        torch.stack(list(terms.values())).sum().backward()
        return terms

    def _terms(self, network: nn.Module) -> dict[str, Tensor]:
        return _required_terms(self.phase.recipe.loss(network, self._batch()))

    def _batch(self) -> Mapping[str, Any]:
        # the first batch of a quasi-Newton phase, which was found to be the batch of all
        step = self.phase.first if isinstance(self.optimizer, QuasiNewton) else self.step
        return _to_device(self.shard.batch(step), self.face.device)

    def _progress(self, losses: dict[str, Tensor], learning_rate: float, norm: Tensor) -> Progress:
        return Progress(
            self.step + 1,
            self.recipe.steps,
            losses,
            learning_rate=learning_rate,
            gradient_norm=norm,
            phase=self.phase.number,
        )

    def _end_early(self) -> None:
        """Go to the end of a phase whose optimiser says that no step helps."""
        assert isinstance(self.optimizer, QuasiNewton)
        if self.optimizer.ended is not None:
            if self.step < self.phase.end:
                self.phase.warn_of_end(self.step, self.optimizer.ended)
            self.step = self.phase.end

    def _metrics(self) -> dict[str, float]:
        """What `evaluate` measures, without a trace in the training."""
        assert self.recipe.evaluate is not None
        assert self.fresh is not None
        # what evaluation draws must not change the training
        state = checkpoints.random_state()
        self.model.eval()
        with torch.no_grad():
            metrics = {name: float(value) for name, value in self.recipe.evaluate(self.model, self.fresh).items()}
        self.model.train()
        checkpoints.set_random_state(state)
        return metrics

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.recipe.steps

    def _write_log(self, before: float = math.inf) -> None:
        if self.run is not None:
            self.run.append_log(item.record() for item in self.pending if item.step < before)
        self.pending.clear()

    def _write_checkpoint(self) -> None:
        require_finite_weights(self.model, self.step)
        self._write_log()
        if self.run is not None and is_main_process():
            if self.step == self.recipe.steps:  # before the checkpoint that says the training is finished
                self.run.write_model(self.model)
            folder = self.run.checkpoints
            checkpoints.save(
                folder, self.step, self.model, self.optimizer, self.identity, seconds=self.seconds, start=self.start
            )
        self.stored = self.step


def _to_device(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    # not waited for: batches lie in pinned memory where there is CUDA
    return {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}


def _required_terms(terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if not isinstance(terms, Mapping) or not terms:
        raise InvalidArgument(
            f"loss(model, batch) must return named terms, such as {{'l2': value}}; got {type(terms).__name__}"
        )
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.ndim:
            got = f"shape {tuple(term.shape)}" if isinstance(term, Tensor) else type(term).__name__
            raise InvalidArgument(f"loss term {name!r} must be a scalar tensor; got {got}")
    if not any(term.requires_grad for term in terms.values()):
        raise InvalidArgument("no term of the loss depends on the model's weights")
    return dict(terms)


def _clipped_gradient_norm(model: nn.Module, clip: float | None) -> Tensor:
    """L2 norm of the whole gradient before it is scaled to `clip`; stays on the device."""
    trained = [p for p in model.parameters() if p.grad is not None]
    norm = nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
    if clip is not None:
        nn.utils.clip_grads_with_norm_(trained, clip, norm)
    return norm.detach()
