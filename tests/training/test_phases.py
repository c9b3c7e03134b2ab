import warnings

import pytest
import torch
from torch import nn
from training.toy_training import GRID, ShiftBatches, ShiftNet

from limitlab.errors import InvalidArgument
from limitlab.training import (
    PhaseEndedEarly,
    TrainingDiverged,
    checkpoints,
    descent,
    fit,
    fixed,
    natural_gradient,
    operator_loss,
    runs,
)
from limitlab.training.phases import plan
from limitlab.training.recipe import QUASI_NEWTON

X = torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
FUNCTION = fixed(x=X, y=torch.sin(3 * X))


def misfit(model, batch):
    return {"misfit": (model(batch["x"]) - batch["y"]).square().mean(), "size": 1e-9 * model[0].weight.square().sum()}


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1)).double()


def worst_points(model):
    """The ten points of thirty random ones where the misfit is largest, and a weight from the model."""
    x = torch.rand(30, 1, dtype=torch.float64) * 2 - 1
    chosen = x[(model(x) - torch.sin(3 * x)).abs().flatten().argsort()[-10:]].detach()
    return fixed(x=chosen, y=torch.sin(3 * chosen))


ADAM = descent(misfit, FUNCTION, 6, 1e-2, optimizer="adam")
PHASES = {
    "adam, ssbfgs": ADAM.then(9),
    "soap, lbfgs, bfgs": descent(misfit, FUNCTION, 6, 1e-2, optimizer="soap")
    .then(5, optimizer="lbfgs")
    .then(5, optimizer="bfgs"),
    "renewed": descent(misfit, worst_points, 9, 1e-2, optimizer="adam", renew_every=3).then(4, optimizer="lbfgs"),
    "made from the model": ADAM.then(6, batches=worst_points)
    .then(5, optimizer="lbfgs")
    .then(4, 1e-2, optimizer="adam"),
}


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("recipe", PHASES.values(), ids=PHASES)
def test_a_training_resumed_at_any_step_repeats_an_uninterrupted_one(tmp_path, recipe):
    whole = runs.create(tmp_path / "whole", {}, device="cpu")
    model = network()
    progress = list(fit(model, recipe, device="cpu", run=whole, seed=3))
    assert [p.step for p in progress] == list(range(1, recipe.steps + 1))
    assert [p.phase for p in progress] == [i for i, phase in enumerate(recipe.phases) for _ in range(phase.steps)]
    for stop in range(1, recipe.steps):
        run = runs.create(tmp_path / str(stop), {}, device="cpu")
        parted = fit(network(), recipe, device="cpu", run=run, seed=3, checkpoint_every=100)
        for _ in range(stop):
            next(parted)
        parted.close()
        resumed = network(seed=1)
        list(fit(resumed, recipe, device="cpu", run=run, seed=3, resume=True))
        assert torch.equal(weights(resumed), weights(model)), stop
        assert [r["losses"] for r in run.log] == [r["losses"] for r in whole.log], stop


def test_renewed_batches_follow_the_model_and_the_optimiser_goes_on():
    made, steps = [], []

    def batches(model):
        made.append(weights(model))
        return FUNCTION

    model, plain = network(), network()
    for progress in fit(model, descent(misfit, batches, 9, 1e-2, optimizer="adam", renew_every=4), device="cpu"):
        steps.append(weights(model))
        assert len(made) == 1 + (progress.step - 1) // 4
    assert torch.equal(made[1], steps[3])
    assert torch.equal(made[2], steps[7])
    list(fit(plain, descent(misfit, FUNCTION, 9, 1e-2, optimizer="adam"), device="cpu"))
    assert torch.equal(weights(plain), weights(model))


def test_two_phases_reach_what_adam_alone_does_not():
    alone, both = network(), network()
    last = list(fit(alone, descent(misfit, FUNCTION, 400, 1e-2, optimizer="adam"), device="cpu"))[-1]
    recipe = descent(misfit, FUNCTION, 200, 1e-2, optimizer="adam").then(200)
    assert list(fit(both, recipe, device="cpu"))[-1].loss < 1e-2 * last.loss


def misfit_gram(model, batch):
    rows = (2 / batch["x"].numel()) ** 0.5 * model(batch["x"]).flatten()
    return natural_gradient.gram(list(model.parameters()), rows.split(8))


@pytest.mark.parametrize("optimizer", QUASI_NEWTON)
def test_losses_of_a_step_are_those_of_the_point_that_its_search_accepted(optimizer):
    model = network()
    before = float("inf")
    rows = {"gram": misfit_gram} if optimizer == "natural_gradient" else {}
    for progress in fit(model, ADAM.then(8, optimizer=optimizer, **rows), device="cpu"):
        if progress.phase == 1:
            loss = sum(misfit(model, FUNCTION.batch(0)).values())
            gradient = torch.autograd.grad(loss, list(model.parameters()))
            assert progress.loss == pytest.approx(float(loss.detach()), rel=1e-12)
            assert progress.loss < before
            assert progress.gradient_norm == pytest.approx(float(nn.utils.get_total_norm(gradient)), rel=1e-9)
            before = progress.loss


def bowl(model, batch):
    return {"bowl": (model.weight - 2).square().sum() + 3 * (model.bias - 1).square().sum()}


def line():
    torch.manual_seed(0)
    return nn.Linear(1, 1).double()


def test_a_phase_that_is_done_after_a_few_steps_warns_and_the_next_one_follows(tmp_path):
    recipe = (
        descent(bowl, FUNCTION, 3, 0.1, optimizer="sgd").then(200, optimizer="lbfgs").then(5, 1e-3, optimizer="adam")
    )
    run = runs.create(tmp_path / "run", {}, device="cpu")
    with pytest.warns(
        PhaseEndedEarly, match=r"phase 1 \(lbfgs\) ended early, after . of 200 steps .*gradient.*hardly a"
    ):
        steps = [p.step for p in fit(line(), recipe, device="cpu", run=run)]
    assert steps[:3] == [1, 2, 3]
    assert steps[-5:] == [204, 205, 206, 207, 208]
    assert len(steps) < 3 + 10 + 5
    assert list(fit(line(), recipe, device="cpu", run=run, resume=True)) == []


def test_a_last_phase_that_ends_early_is_evaluated_stored_and_finished(tmp_path):
    recipe = descent(
        bowl, FUNCTION, 3, 0.1, optimizer="sgd", evaluate=lambda model, fresh: {"bias": model.bias.item()}
    ).then(200)
    run = runs.create(tmp_path / "run", {}, device="cpu")
    model = line()
    with pytest.warns(PhaseEndedEarly):
        last = list(fit(model, recipe, device="cpu", run=run))[-1]
    assert last.metrics["bias"] == pytest.approx(1.0)
    assert torch.equal(run.read_model(line()).bias, model.bias)
    assert checkpoints.latest(run.checkpoints).step == 203
    assert list(fit(line(), recipe, device="cpu", run=run, resume=True)) == []


def test_a_generator_closed_where_its_phase_ended_early_resumes_with_the_next(tmp_path):
    recipe = descent(bowl, FUNCTION, 100, 1.0, optimizer="ssbfgs").then(3, 1e-3, optimizer="adam")
    with pytest.warns(PhaseEndedEarly):
        done = [p.phase for p in fit(line(), recipe, device="cpu")].count(0)
    run = runs.create(tmp_path / "run", {}, device="cpu")
    training = fit(line(), recipe, device="cpu", run=run, checkpoint_every=1000)
    with pytest.warns(PhaseEndedEarly):
        assert [next(training).step for _ in range(done)] == list(range(1, done + 1))
    training.close()
    assert [p.step for p in fit(line(), recipe, device="cpu", run=run, resume=True)] == [101, 102, 103]


def test_a_full_phase_ends_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(fit(network(), ADAM.then(12), device="cpu"))) == 18


class Drifting:
    """Batches that change with the step, from step `since` on."""

    def __init__(self, since):
        self.since = since

    def batch(self, step):
        return {"x": X + 0.1 * (step >= self.since), "y": torch.sin(3 * X)}

    def shard(self, rank, world):
        return self


def dropping(model, batch):
    return {"misfit": (nn.functional.dropout(model(batch["x"])) - batch["y"]).square().mean()}


def rounding(model, batch):
    return {"misfit": misfit(model, batch)["misfit"].float()}


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (ADAM.then(9, batches=Drifting(7)), "'x' of steps 6 and 7 differ"),
        (ADAM.then(9, batches=Drifting(14)), "'x' of steps 6 and 14 differ"),
        (ADAM.then(9, loss=dropping), "'misfit' is .* at the same weights and batch"),
        (ADAM.then(9, loss=rounding), "term 'misfit' is float32"),
        (ADAM.then(9, optimizer="adam", batches=lambda model: 3), r"batches must have \.batch"),
        (ADAM.then(9, batches=lambda model: 3), r"batches must have \.batch"),
        (ADAM.then(9, optimizer=lambda groups, lr: 3), "optimizer must be a name or a function .* gave a int"),
        (
            ADAM.then(9, optimizer=lambda groups, lr: torch.optim.LBFGS(groups, lr=lr)),
            "LBFGS evaluates the loss itself",
        ),
        (ADAM.then(9, groups=lambda model: [{"params": model.parameters(), "rate": 0.5}]), "every rate must be 1"),
    ],
)
def test_what_a_phase_cannot_use_is_refused_when_it_begins(recipe, message):
    with pytest.raises(InvalidArgument, match=message):
        list(fit(network(), recipe, device="cpu"))


def test_weights_of_float32_are_refused_before_the_first_step():
    recipe = descent(operator_loss("l2", GRID), ShiftBatches(), 5, 1e-2).then(5, optimizer="lbfgs", batches=FUNCTION)
    with pytest.raises(InvalidArgument, match=r"weights of float64; got (float|complex)\d+.* call model\.double\(\)"):
        next(fit(ShiftNet(), recipe, device="cpu"))
    with pytest.raises(InvalidArgument, match="precision must be 'no' in a quasi-Newton phase"):
        next(fit(network(), ADAM.then(5), device="cpu", precision="bf16"))


def test_several_processes_are_refused():
    phase = plan(ADAM.then(5))[1]
    phase.require_one_process(1, "no")
    with pytest.raises(InvalidArgument, match="runs in one process; got 2"):
        phase.require_one_process(2, "no")


def test_looking_at_a_phase_leaves_no_trace():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(1, 1).double()
            self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

        def forward(self, x):
            self.calls += 1
            return self.line(x)

    model, drawn = Counting(), []

    def batches(model):
        drawn.append(torch.rand(()).item())
        return FUNCTION

    def loss(model, batch):
        return {"misfit": (model(batch["x"]) - batch["y"]).square().mean()}

    phase = descent(loss, batches, 1, 1.0, optimizer="lbfgs")
    next(fit(model, phase, device="cpu", seed=4))
    torch.manual_seed(4)
    assert drawn == [torch.rand(()).item()]
    # one evaluation at the start and one a trial, the two looks not counted
    assert int(model.calls) == 2


def test_data_that_are_not_finite_are_named_before_a_weight_moves():
    model = network()
    start = weights(model)
    broken = X.clone()
    broken[7] = torch.nan
    recipe = descent(misfit, fixed(x=broken, y=X), 5, 1.0, optimizer="ssbfgs")
    with pytest.raises(TrainingDiverged, match="'x', sample 7 of batch 0"):
        list(fit(model, recipe, device="cpu"))
    assert torch.equal(weights(model), start)


def test_another_later_phase_is_another_training(tmp_path):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    training = fit(network(), ADAM.then(9), device="cpu", run=run)
    next(training)
    training.close()
    for other in (ADAM.then(9, optimizer="lbfgs"), descent(misfit, FUNCTION, 15, 1e-2, optimizer="adam")):
        with pytest.raises(InvalidArgument, match="another training"):
            next(fit(network(), other, device="cpu", run=run, resume=True))
