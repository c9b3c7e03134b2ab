import inspect
import math

import pytest
import torch
from torch import nn
from training.toy_training import GRID, ShiftBatches, ShiftNet, noisy_loss, train_noisy, train_on

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.training import Progress, TrainingDiverged, device, operator_loss, runs
from limitlab.training.progress import fetch

LOSS = operator_loss("l2", GRID)


def train(model=None, **options):
    settings = {"steps": 12, "learning_rate": 1e-2, "device": "cpu"} | options
    return train_on(ShiftNet() if model is None else model, LOSS, ShiftBatches(), **settings)


def train_noisily(**options):
    return train_on(ShiftNet(dropout=0.3), noisy_loss, ShiftBatches(), device="cpu", **options)


def weights(model):
    """All weights as one real vector."""
    parts = (torch.view_as_real(p) if p.is_complex() else p for p in map(torch.Tensor.detach, model.parameters()))
    return torch.cat([part.flatten() for part in parts])


def test_fit_is_a_generator_with_one_progress_a_step():
    training = train()
    assert inspect.isgenerator(training)
    assert [progress.step for progress in training] == list(range(1, 13))


def test_training_learns_the_shift():
    losses = [progress.loss for progress in train(steps=400, learning_rate=3e-2)]
    assert sum(losses[-20:]) < 0.1 * sum(losses[:20])


def test_same_seed_gives_the_same_losses():
    first, second, other = ([p.losses for p in train_noisily(steps=8, seed=seed)] for seed in (3, 3, 4))
    assert first == second
    assert first != other


def test_first_steps_are_those_of_a_hand_written_adamw():
    ours, theirs = ShiftNet(), ShiftNet()
    for _ in train(ours, steps=5, schedule="constant", weight_decay=0.1):
        pass
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=0.1)
    for step in range(5):
        optimizer.zero_grad()
        LOSS(theirs, ShiftBatches().batch(step))["relative_l2"].backward()
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_groups_are_those_of_a_hand_written_optimiser():
    def groups(model):
        first, *rest = model.parameters()
        return [{"params": [first], "rate": 0.25, "weight_decay": 0.2}, {"params": rest, "betas": (0.5, 0.9)}]

    ours, theirs = ShiftNet(), ShiftNet()
    for _ in train(ours, steps=5, schedule="constant", optimizer="adam", weight_decay=0.0, groups=groups):
        pass
    first, *rest = theirs.parameters()
    by_hand = [{"params": [first], "lr": 0.25e-2, "weight_decay": 0.2}, {"params": rest, "betas": (0.5, 0.9)}]
    optimizer = torch.optim.Adam(by_hand, lr=1e-2)
    for step in range(5):
        optimizer.zero_grad()
        LOSS(theirs, ShiftBatches().batch(step))["relative_l2"].backward()
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_resumed_groups_give_the_same_weights(tmp_path):
    def groups(model):
        return [{"params": [p], "rate": 2.0**-k} for k, p in enumerate(model.parameters())]

    whole, halved, options = ShiftNet(), ShiftNet(), {"optimizer": "adam", "groups": groups}
    for _ in train(whole, **options):
        pass
    run = runs.create(tmp_path / "run", {}, "toy", 0)
    training = train(halved, run=run, **options)
    for _ in range(5):
        next(training)
    training.close()
    resumed = ShiftNet()
    with pytest.raises(InvalidArgument, match="groups was"):
        next(train(resumed, run=run, resume=True, optimizer="adam"))
    for _ in train(resumed, run=run, resume=True, **options):
        pass
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_groups_must_hold_every_parameter():
    with pytest.raises(InvalidArgument, match="every trained parameter"):
        next(train(groups=lambda model: [{"params": list(model.parameters())[:1]}]))


def test_weight_decay_shrinks_complex_weights_by_rate_times_decay():
    model = ShiftNet()
    before = model.spectrum.detach().clone()

    def flat(model, batch):
        return {"nothing": 0 * sum(p.abs().sum() for p in model.parameters())}

    for _ in train_on(
        model, flat, ShiftBatches(), steps=1, learning_rate=0.1, weight_decay=0.5, schedule="constant", device="cpu"
    ):
        pass
    torch.testing.assert_close(model.spectrum.detach(), 0.95 * before)


def test_clipping_bounds_the_step_of_gradient_descent():
    model = ShiftNet()
    before = weights(model)
    for progress in train(
        model, steps=1, optimizer="sgd", schedule="constant", learning_rate=1.0, weight_decay=0.0, clip=0.01
    ):
        assert progress.gradient_norm > 0.01
    # clipping divides by the norm plus 1e-6
    assert float((weights(model) - before).norm()) == pytest.approx(0.01, rel=1e-3)


def test_closing_the_generator_stops_and_stores_what_was_done(tmp_path):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    training = train(run=run, checkpoint_every=100)
    for _ in range(5):
        next(training)
    training.close()
    assert [record["step"] for record in run.log] == [1, 2, 3, 4, 5]
    assert [progress.step for progress in train(run=run, checkpoint_every=100, resume=True)] == list(range(6, 13))


def test_closing_before_the_first_step_leaves_nothing(tmp_path):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    train(run=run).close()
    assert run.log == []
    assert not run.checkpoints.exists()


def test_what_evaluation_draws_does_not_change_the_training():
    def drawing(model, fresh):
        assert not model.training
        assert not torch.is_grad_enabled()
        return {"draw": torch.rand(()), "one": 1}

    plain = [p.losses for p in train_noisily(steps=9)]
    options = {"evaluate": drawing, "evaluate_every": 4}
    watched = list(train_noisily(steps=9, **options))
    assert [p.losses for p in watched] == plain
    assert [p.step for p in watched if p.metrics.get("one") == 1.0] == [4, 8, 9]


def test_evaluation_sees_the_model_as_it_was_before_training():
    def distance(model, fresh):
        assert not fresh.training
        return {"moved": float((weights(model) - weights(fresh)).norm())}

    model, start = ShiftNet(), weights(ShiftNet())
    progress = list(train(model, evaluate=distance, evaluate_every=6))
    assert progress[-1].metrics["moved"] == float((weights(model) - start).norm()) > progress[5].metrics["moved"] > 0


def test_a_resumed_evaluation_compares_with_the_first_start(tmp_path):
    def distance(model, fresh):
        return {"moved": float((weights(model) - weights(fresh)).norm())}

    whole = list(train(evaluate=distance))[-1].metrics
    run = runs.create(tmp_path / "run", {}, device="cpu")
    parted = train(run=run, evaluate=distance)
    for _ in range(5):
        next(parted)
    parted.close()
    assert list(train(run=run, resume=True, evaluate=distance))[-1].metrics == whole


def test_nan_in_the_data_names_the_sample(tmp_path):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    batches = ShiftBatches(poisoned=11)
    step, place = next((s, b.tolist().index(11)) for s in range(100) if 11 in (b := batches.batch(s)["rows"]) and s > 0)
    model = ShiftNet()
    with pytest.raises(TrainingDiverged, match=f"'input', sample {place} of batch {step}") as caught:
        list(train_on(model, LOSS, batches, steps=100, device="cpu", run=run, checkpoint_every=1))
    assert (caught.value.step, caught.value.term) == (step + 1, "relative_l2")
    assert math.isnan(caught.value.value)
    assert [record["step"] for record in run.log] == list(range(1, step + 1))
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_learning_rate_too_large_is_named_and_the_good_checkpoint_stays(tmp_path):
    run = runs.create(tmp_path / "run", {}, device="cpu")

    def quartic(model, batch):
        return {"quartic": sum(p.abs().pow(4).sum() for p in model.parameters())}

    options = {"steps": 50, "optimizer": "sgd", "schedule": "constant", "learning_rate": 1.0, "device": "cpu"}
    with pytest.raises(TrainingDiverged, match=r"gradient's norm rose .* lower learning_rate"):
        list(train_on(ShiftNet(), quartic, ShiftBatches(), run=run, checkpoint_every=1, **options))
    model = ShiftNet()
    done = train_on(model, quartic, ShiftBatches(), run=run, checkpoint_every=1, resume=True, **options)
    with pytest.raises(TrainingDiverged):
        next(done)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_infinite_gradient_of_a_finite_loss_names_its_parameter():
    def cusp(model, batch):
        return {"cusp": (0 * model.projection.bias).abs().sqrt().sum()}

    with pytest.raises(TrainingDiverged, match=r"gradient of 'projection\.bias' is nan"):
        list(train_on(ShiftNet(), cusp, ShiftBatches(), steps=3, device="cpu"))


def test_overflowing_update_is_not_stored(tmp_path):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    options = {"steps": 1, "optimizer": "sgd", "schedule": "constant", "learning_rate": 3e38, "device": "cpu"}

    def steep(model, batch):
        return {"steep": 1e3 * LOSS(model, batch)["relative_l2"]}

    with pytest.raises(TrainingDiverged, match="update overflowed"):
        list(train_on(ShiftNet(), steep, ShiftBatches(), run=run, **options))
    assert not run.checkpoints.exists()


def test_divergence_between_two_looks_is_named_by_its_own_step():
    batches = ShiftBatches(poisoned=11)
    step = next(s for s in range(100) if 11 in batches.batch(s)["rows"])
    with pytest.raises(TrainingDiverged) as caught:
        list(train_on(ShiftNet(), LOSS, batches, steps=100, device="cpu", log_every=50))
    assert caught.value.step == step + 1


def test_log_has_every_step_at_any_cadence(tmp_path):
    logs = []
    for cadence in (1, 5):
        run = runs.create(tmp_path / str(cadence), {}, device="cpu")
        list(train(run=run, log_every=cadence))
        logs.append([(r["step"], r["losses"], r["gradient_norm"]) for r in run.log])
    assert logs[0] == logs[1]
    assert len(logs[0]) == 12


def test_losses_of_many_steps_come_over_in_one_transfer(monkeypatch):
    items = [Progress(s, 9, {"a": torch.tensor(1.0 + s), "b": torch.tensor(2.0)}) for s in range(5)]
    transfers = []
    original = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: transfers.append(1) or original(tensor))
    fetch(items)
    assert [item.losses for item in items] == [{"a": 1.0 + s, "b": 2.0} for s in range(5)]
    assert len(transfers) == 1


def test_bfloat16_trains_and_leaves_the_model_as_it_was():
    model = ShiftNet()
    seen = []

    def loss(model, batch):
        seen.append(model.convolution(batch["input"]).dtype)
        return LOSS(model, batch)

    network = nn.Sequential(nn.Conv1d(1, 8, 3, padding="same", padding_mode="circular"), nn.GELU(), nn.Conv1d(8, 1, 1))
    inside = []
    network[0].register_forward_hook(lambda module, _, output: inside.append(output.dtype))
    attributes = set(vars(network))
    outputs = [p.loss for p in train_on(network, LOSS, ShiftBatches(), steps=3, device="cpu", precision="bf16")]
    assert set(inside) == {torch.bfloat16}
    assert all(math.isfinite(value) for value in outputs)
    assert set(vars(network)) == attributes
    assert network(ShiftBatches().inputs).dtype == torch.float32
    list(train_on(model, loss, ShiftBatches(), steps=1, device="cpu"))
    assert seen == [torch.float32]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"clip": "no"}, "clip"),
        ({"schedule": "one-cycle"}, "did you mean 'one_cycle'"),
        ({"optimizer": "adamww"}, "did you mean 'adamw'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"evaluate_every": 0}, "evaluate_every"),
        ({"resume": True}, "needs the run"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(options, message):
    with pytest.raises(InvalidArgument, match=message):
        train(**options)


def test_model_without_weights_is_refused():
    with pytest.raises(InvalidArgument, match="trainable parameter"):
        train(nn.Identity())


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda model, batch: model(batch["input"]).mean(), "named terms"),
        (lambda model, batch: {}, "named terms"),
        (lambda model, batch: {"l2": model(batch["input"])}, "'l2' must be a scalar tensor; got shape"),
        (lambda model, batch: {"l2": 1.0}, "'l2' must be a scalar tensor; got float"),
        (lambda model, batch: {"l2": torch.ones(())}, "depends on the model"),
    ],
)
def test_loss_of_another_form_is_refused(loss, message):
    with pytest.raises(InvalidArgument, match=message):
        next(train_on(ShiftNet(), loss, ShiftBatches(), steps=2, device="cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_missing_device_is_named():
    with pytest.raises(InvalidArgument, match="'cuda' is not available"):
        device("cuda")


def test_unknown_device_is_answered_with_the_known_ones():
    with pytest.raises(UnknownName, match="known: auto, cpu, cuda, mps"):
        device("tpu")


def test_second_training_in_a_run_is_refused_unless_resumed(tmp_path):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    list(train(run=run))
    with pytest.raises(InvalidArgument, match="already holds a training"):
        train(run=run)


def test_finished_training_gives_its_weights_back_and_no_step(tmp_path):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    trained, fresh = ShiftNet(), ShiftNet(seed=9)
    list(train_noisy(run, model=trained))
    assert list(train_noisy(run, resume=True, model=fresh)) == []
    assert torch.equal(trained.spectrum, fresh.spectrum)
    assert torch.equal(run.read_model(ShiftNet(seed=8)).spectrum, trained.spectrum)
