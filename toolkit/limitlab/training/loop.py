"""The one loop that trains: a generator of Progress, one for each step.

A step takes batch b = batches.batch(step), the named terms loss(model, b) and their sum L, then
    g = gradient of L, averaged over processes, scaled to norm <= clip;    weights <- optimiser(weights, g, rate(step)).
Everything in it is a function of the step and of the stored state, so a resumed training repeats an uninterrupted one.

Losses are brought to the host and looked at every `log_every` steps: at each on a CPU, where it is free, else every
20, since a float of a loss makes the host wait for the device. The log has every step all the same. The price: on a
device a divergence is named exactly but noticed up to `log_every` - 1 steps late. AdamW: Loshchilov, Hutter,
Decoupled weight decay regularization (2019); its decay is right for complex weights too, which it sees as pairs of
reals.
"""

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.training import checkpoints, schedules
from limitlab.training.device import PRECISIONS, accelerator, is_main_process, prepared
from limitlab.training.device import device as torch_device
from limitlab.training.divergence import TrainingDiverged, require_finite_losses, require_finite_weights
from limitlab.training.progress import Progress

if TYPE_CHECKING:
    from limitlab.training.runs import Run

Loss = Callable[[nn.Module, Mapping[str, Any]], Mapping[str, Tensor]]
Groups = Callable[[nn.Module], Sequence[Mapping[str, Any]]]
Evaluate = Callable[[nn.Module], Mapping[str, float]]
OPTIMIZERS = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
}


class Batches(Protocol):
    """What `fit` needs of data: the batch of a step as a pure function, and the part of one process among several."""

    def batch(self, step: int) -> Mapping[str, Any]: ...

    def shard(self, rank: int, world: int) -> "Batches": ...


def fit(
    model: nn.Module,
    loss: Loss,
    batches: Batches,
    *,
    steps: int,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-4,
    schedule: str | schedules.Schedule = "one_cycle",
    optimizer: str = "adamw",
    groups: Groups | None = None,
    clip: float | None = None,
    evaluate: Evaluate | None = None,
    evaluate_every: int | None = None,
    run: "Run | None" = None,
    checkpoint_every: int | None = None,
    log_every: int | None = None,
    resume: bool = False,
    device: str = "auto",
    precision: str = "no",
    seed: int = 0,
) -> Generator[Progress, None, None]:
    """Train `model` in place, giving a Progress after each step (1 .. steps); closing the generator stops it.

    loss(model, batch) returns named scalar terms, whose sum is minimised. `evaluate(model)` gives metrics every
    `evaluate_every` steps and after the last; it sees the model in eval mode without gradients, and what it draws at
    random does not touch the training. The global random generators are seeded with `seed` at the start.
    groups(model) gives the optimiser's groups of parameters, of all parameters if left out; `rate` in one multiplies
    the learning rate of that group, and what else it holds (weight_decay, betas ...) is the optimiser's.

    With a `run` every step is logged, and a checkpoint is written every `checkpoint_every` steps (default: ten times),
    when the generator is closed, and at the end, together with the weights. `resume` goes on from the newest good one,
    or begins where there is none; a finished training gets its weights back and gives nothing. In several processes
    each takes its shard of the batch, and the model that `loss` gets averages the gradients. The model is left on the
    device, in eval mode.

    Raises InvalidArgument for bad arguments (at once) or a checkpoint of another training, and TrainingDiverged (on a
    CPU before the weights are touched); the last good checkpoint stays.
    """
    if not isinstance(model, nn.Module) or not any(p.requires_grad for p in model.parameters()):
        raise InvalidArgument("model must be a torch.nn.Module with at least one trainable parameter")
    if not (hasattr(batches, "batch") and hasattr(batches, "shard")):
        raise InvalidArgument(f"batches must have .batch(step) and .shard(rank, world); got {type(batches).__name__}")
    if optimizer not in OPTIMIZERS:
        raise unknown_name("optimizer", optimizer, OPTIMIZERS)
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    torch_device(device)
    for argument, cadence in (
        ("evaluate_every", evaluate_every),
        ("checkpoint_every", checkpoint_every),
        ("log_every", log_every),
    ):
        if cadence is not None:
            check_number(argument, cadence, low=1, integer=True)
    if resume and run is None:
        raise InvalidArgument("resume=True needs the run to resume from")
    if clip is not None:
        check_number("clip", clip, low=0)
    plan = _Plan(
        steps=int(check_number("steps", steps, low=1, integer=True)),
        learning_rate=check_number("learning_rate", learning_rate, low=0),
        weight_decay=check_number("weight_decay", weight_decay, low=0),
        optimizer=optimizer,
        clip=clip,
        seed=int(check_number("seed", seed, low=0, integer=True)),
        precision=precision,
        factor=schedules.get(schedule, int(steps)),
        schedule=schedule if isinstance(schedule, str) else "custom",
        evaluate_every=evaluate_every or steps,
        checkpoint_every=checkpoint_every or math.ceil(steps / 10),
    )
    if run is not None and not resume and is_main_process() and (run.log or checkpoints.paths(run.checkpoints)):
        raise InvalidArgument(f"{run.folder} already holds a training; resume it, or train in run.child(name)")
    return _train(model, loss, batches, plan, groups, evaluate, run, log_every, resume, device)


@dataclass(frozen=True)
class _Plan:
    """What decides the numbers of a training, and its cadences."""

    steps: int
    learning_rate: float
    weight_decay: float
    optimizer: str
    clip: float | None
    seed: int
    precision: str
    factor: schedules.Schedule
    schedule: str
    evaluate_every: int
    checkpoint_every: int

    def rate(self, step: int) -> float:
        return self.learning_rate * self.factor(step)

    def recipe(self, processes: int) -> dict[str, Any]:
        """What a training shares with the checkpoint it goes on from; a schedule is known by five of its rates."""
        kept = ("steps", "learning_rate", "weight_decay", "optimizer", "clip", "seed", "precision", "schedule")
        rates = [self.rate(self.steps * i // 5) for i in range(5)]
        return {name: getattr(self, name) for name in kept} | {"rates": rates, "processes": processes}

    def due(self, every: int, step: int) -> bool:
        return step % every == 0 or step == self.steps


def _train(
    model: nn.Module,
    loss: Loss,
    batches: Batches,
    plan: _Plan,
    groups: Groups | None,
    evaluate: Evaluate | None,
    run: "Run | None",
    log_every: int | None,
    resume: bool,
    device: str,
) -> Generator[Progress, None, None]:
    face = accelerator(device, plan.precision)
    model.to(face.device)
    optimizer = _optimizer(model, plan, groups)
    recipe = plan.recipe(face.num_processes) | {"groups": [_settings_of(group) for group in optimizer.param_groups]}
    step, seconds = _begin(model, optimizer, recipe, run, resume, face.process_index)
    shard = batches.shard(face.process_index, face.num_processes) if face.num_processes > 1 else batches
    log_every = log_every or (1 if face.device.type == "cpu" else 20)
    pending: list[Progress] = []
    norms: list[float] = []
    saved = step

    def write_log(before: float = math.inf) -> None:
        if run is not None:
            run.append_log(item.record() for item in pending if item.step < before)
        pending.clear()

    def write_checkpoint() -> None:
        require_finite_weights(model, step)
        write_log()
        if run is not None and is_main_process():
            if step == plan.steps:  # before the checkpoint that says the training is finished
                run.write_model(model)
            checkpoints.save(run.checkpoints, step, model, optimizer, recipe, seconds)

    model.train()
    try:
        with prepared(face, model) as network:
            while step < plan.steps:
                began = time.perf_counter()
                batch = _to_device(shard.batch(step), face.device)
                rate = plan.rate(step)
                for group in optimizer.param_groups:
                    group["lr"] = rate * group["rate"]
                optimizer.zero_grad(set_to_none=True)
                terms = _required_terms(loss(network, batch))
                torch.stack(list(terms.values())).sum().backward()
                norm = _clipped_gradient_norm(model, plan.clip)
                losses = {name: term.detach() for name, term in terms.items()}
                if face.num_processes > 1:
                    means = face.reduce(torch.stack(list(losses.values())), "mean")
                    losses = dict(zip(losses, means.unbind(), strict=True))
                step += 1
                progress = Progress(step, plan.steps, losses, learning_rate=rate, gradient_norm=norm)
                pending.append(progress)
                evaluating = plan.due(plan.evaluate_every, step)
                storing = plan.due(plan.checkpoint_every, step)
                looking = evaluating or storing or plan.due(log_every, step)
                if looking:
                    require_finite_losses(pending, model, norms, shard.batch)
                optimizer.step()
                if evaluate is not None and evaluating:
                    progress.metrics = _evaluated(evaluate, model)
                seconds += time.perf_counter() - began
                progress.seconds = seconds
                if storing:
                    write_checkpoint()
                    saved = step
                elif looking:
                    write_log()
                yield progress
    except TrainingDiverged as diverged:
        write_log(before=diverged.step)
        raise
    except GeneratorExit:
        if step > saved:
            require_finite_losses(pending, model, norms, shard.batch)
            write_checkpoint()
        raise
    finally:
        model.eval()


def _begin(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: dict[str, Any],
    run: "Run | None",
    resume: bool,
    rank: int,
) -> tuple[int, float]:
    """Step and seconds to go on from, with weights, optimiser, random state and log brought to that step."""
    found = checkpoints.latest(run.checkpoints) if run is not None and resume else None
    step, seconds = (found.step, found.seconds) if found is not None else (0, 0.0)
    # every process draws for itself; the stored random state is that of the main one
    checkpoints.seed_everything(recipe["seed"] + rank + (step if rank else 0))
    if found is not None:
        differing = [name for name in recipe if recipe[name] != found.recipe.get(name)]
        if differing:
            shown = ", ".join(f"{name} was {found.recipe.get(name)}, is {recipe[name]}" for name in differing)
            raise InvalidArgument(f"cannot resume: the checkpoint of step {step} belongs to another training ({shown})")
        found.restore(model, optimizer)
        if rank == 0:
            checkpoints.set_random_state(found.random_state)
    if run is not None:
        run.truncate_log(step)
    return step, seconds


def _optimizer(model: nn.Module, plan: _Plan, groups: Groups | None) -> torch.optim.Optimizer:
    given = [{"params": list(model.parameters())}] if groups is None else [dict(group) for group in groups(model)]
    grouped = [{"rate": 1.0, **group, "params": list(group["params"])} for group in given]
    for group in grouped:
        check_number("rate of a group", group["rate"], low=0)
    listed = [id(parameter) for group in grouped for parameter in group["params"]]
    trained = {id(parameter): name for name, parameter in model.named_parameters() if parameter.requires_grad}
    left_out = [name for key, name in trained.items() if key not in set(listed)]
    if left_out:
        raise InvalidArgument(f"groups must hold every trained parameter of the model; {', '.join(left_out)} missing")
    return OPTIMIZERS[plan.optimizer](grouped, lr=plan.learning_rate, weight_decay=plan.weight_decay)


def _settings_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """What a group has of its own, as a checkpoint's JSON holds it: numbers and lists of them."""
    own = {key: value for key, value in group.items() if key not in ("params", "lr") and value is not None}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in sorted(own.items())}


def _to_device(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
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


def _evaluated(evaluate: Evaluate, model: nn.Module) -> dict[str, float]:
    state = checkpoints.random_state()
    model.eval()
    with torch.no_grad():
        metrics = {name: float(value) for name, value in evaluate(model).items()}
    model.train()
    checkpoints.set_random_state(state)
    return metrics
