"""Classes of flows at smoke size: what each class keeps, what gaps leave out, and what is refused."""

import numpy as np
import pytest
import torch

from limitlab import data, experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.neural_des.classes._flow_data import flow_data, flow_data_of
from limitlab.experiments.neural_des.classes._flow_models import CLASSES, mean_squared
from limitlab.experiments.neural_des.classes.flow_classes import build, look, with_series
from limitlab.experiments.neural_des.regularization._regularized import WAYS
from limitlab.neural_des.regularization import Unregularized

PENDULUM = {"data": "pendulum", "steps": 2, "seeds": 1}


def settings(**options):
    return experiments.get("flow_classes").configure("smoke", **{**PENDULUM, **options})


@pytest.fixture
def pendulum():
    return flow_data("pendulum", samples=6, rows=8, missing=0.4, dropped="value", seed=0)


def forecaster(kind, of, **options):
    return build(settings(tolerance=1e-9, **options), of, kind, Unregularized(), 3)


def test_every_class_has_its_measures():
    experiment = experiments.get("flow_classes")
    for kind, names in (("annuli", {"accuracy", "field_calls"}), ("pendulum", {"error", "error_ahead", "field_calls"})):
        result = experiment.train(settings(data=kind)).finish()
        assert set(result.metrics.data_vars) == names
        assert set(result.grid("class", "way")["class"].values) == set(CLASSES)
        assert set(result.figures()) == {"training", "field_calls"}


def test_a_hamiltonian_flow_keeps_its_energy_and_a_plain_one_does_not(pendulum):
    model, other = forecaster("hamiltonian", pendulum), forecaster("ode", pendulum)
    energy = model.flow.ode.field.energy
    kept, lost = (
        energy(torch.from_numpy(look(pendulum, each)["y"].values).flatten(0, 1)).detach().view(6, -1)
        for each in (model, other)
    )
    assert (kept - kept[:, :1]).abs().max() < 1e-7
    assert (lost - lost[:, :1]).abs().max() > 1e-2


def test_the_velocity_of_a_second_order_flow_is_that_of_its_path(pendulum):
    found = look(pendulum, forecaster("second_order", pendulum))
    y, time = found["y"].values, found["time"].values
    slope = np.gradient(y[..., :2], time, axis=1, edge_order=2)
    # second differences of 81 times
    np.testing.assert_allclose(slope[:, 1:-1], y[:, 1:-1, 2:], atol=2e-2)


def test_a_look_shows_what_the_model_answers(pendulum):
    model = forecaster("augmented", pendulum).eval()
    found = look(pendulum, model)
    with torch.no_grad():
        answers = model(pendulum.test["x"], torch.from_numpy(found["time"].values.copy()))
    np.testing.assert_allclose(found["line"].values, answers.numpy(), atol=1e-7)


def test_the_loss_is_over_what_was_measured(pendulum):
    model = forecaster("ode", pendulum)
    batch = {**pendulum.train, "t": pendulum.times}
    y, known = batch["y"], ~batch["y"].isnan()
    assert 0.2 < 1 - float(known.double().mean()) < 0.5
    assert known[:, 0].all()
    predicted = model(batch["x"], batch["t"]).detach()
    by_hand = sum(float((predicted[k] - y[k])[known[k]].square().sum()) for k in range(len(y))) / float(known.sum())
    assert mean_squared(model, batch)["mse"].item() == pytest.approx(by_hand, rel=1e-12)


def test_gaps_do_not_move_the_scales_and_the_test_set():
    whole, gaps = (
        flow_data("oscillator", samples=5, rows=9, missing=rate, dropped="time", seed=2) for rate in (0.0, 0.5)
    )
    assert torch.equal(whole.test["y"], gaps.test["y"])
    assert torch.equal(whole.complete, gaps.complete)
    known = ~gaps.train["y"].isnan()
    assert torch.equal(gaps.train["y"][known], whole.train["y"][known])


def test_series_of_a_reader_meet_at_the_times_of_all():
    values = torch.tensor([[[0.0], [1.0], [2.0]], [[0.0], [3.0], [9.0]]])
    own = data.series(torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.5, 2.0]]), values)
    found = flow_data_of(own)
    both = torch.cat([found.train["y"], found.test["y"]])
    assert found.times.shape == (4,)
    assert sorted(both.isnan().sum((1, 2)).tolist()) == [1, 1]


def test_trajectories_of_a_reader_are_learned_and_bad_ones_refused():
    times = torch.linspace(0, 1, 9)
    phases = torch.linspace(0, 1, 6)[:, None]
    own = data.series(times, torch.stack([torch.sin(times + phases), torch.cos(times + phases)], -1))
    experiment = with_series(own, ("u", "v"))
    result = experiment.train(experiment.configure("smoke", classes=("ode",), seeds=1)).finish()
    assert result.data.names == ("u", "v")
    assert np.isnan(result.metrics["error_ahead"].values).all()
    late = data.series(times, own.values.clone().index_fill_(1, torch.tensor([0]), torch.nan))
    with pytest.raises(InvalidArgument, match="series 1 must be measured there"):
        with_series(late)
    with pytest.raises(InvalidArgument, match="two or more"):
        with_series(own.take([0]))
    three = with_series(data.series(times, torch.rand(4, 9, 3)))
    with pytest.raises(InvalidArgument, match=r"hamiltonian needs two halves of the state.*have 3 columns"):
        three.configure("smoke", classes=("hamiltonian",))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_trains_the_class_whose_field_is_a_gradient(way):
    experiment = experiments.get("flow_classes")
    kind = "annuli" if way == "steer" else "pendulum"
    result = experiment.train(settings(data=kind, classes=("hamiltonian",), ways=(way,))).finish()
    assert np.isfinite(result.metrics["field_calls"].values).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ways": ("steer",)}, "steer moves the end of a solve"),
        ({"ways": ("srnode",), "method": "bosh3"}, "srnode needs a stiffness estimate"),
        ({"data": "annuli", "missing": 0.2}, "missing must be 0 for annuli"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(options, message):
    with pytest.raises(InvalidArgument, match=message):
        settings(**options)


def test_a_file_of_trajectories_with_gaps_is_learned_from(tmp_path):
    own = data.damped_oscillators(6, seed=0)
    values = own.values[:, :12].clone()
    values[:, 3:5] = torch.nan
    np.savez(tmp_path / "own.npz", times=own.times[0, :12], values=values)
    experiment = experiments.get("flow_classes")
    chosen = settings(file=str(tmp_path / "own.npz"), classes=("ode",))
    result = experiment.train(chosen, tmp_path / "run").finish()
    assert np.isfinite(result.metrics["error"]).all()
    assert result.data.train["y"].isnan().any()
    with pytest.raises(InvalidArgument, match=r"none.csv cannot be read"):
        settings(file="none.csv")
    rows = ["time,u,v,w,id", *(f"{t},{t},1,2,{series}" for series in "ab" for t in range(4))]
    (tmp_path / "three.csv").write_text("\n".join(rows))
    with pytest.raises(InvalidArgument, match=r"hamiltonian needs two halves of the state.*have 3 columns"):
        settings(file=str(tmp_path / "three.csv"), classes=("hamiltonian",))
