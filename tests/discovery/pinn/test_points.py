"""Measurements and their noise, where an equation is asked, and the batches of both."""

import numpy as np
import pytest
import torch

import limitlab as ll
from limitlab.discovery import pinn
from limitlab.discovery.pinn.points import domain
from limitlab.errors import InvalidArgument, UnknownName


def test_noise_is_read_off_second_differences_at_uneven_times():
    generator = torch.Generator().manual_seed(0)
    t = torch.rand(1, 4000, 1, generator=generator, dtype=torch.float64) * 6
    clean = pinn.Measurements(t, torch.cat([torch.sin(t), 3 * t], -1))
    noise = clean.noisy(0.05, seed=3).noise()
    assert torch.allclose(noise, 0.05 * clean.scale, rtol=0.05)
    assert (clean.noise() < 1e-4 * clean.scale).all()


def test_missing_values_count_for_nothing():
    values = torch.tensor([[[1.0, 5.0], [3.0, float("nan")], [5.0, 7.0]]])
    seen = pinn.Measurements(torch.zeros(1, 3, 1), values)
    assert seen.mean.tolist() == [3.0, 6.0]
    assert seen.scale[1].item() == pytest.approx(1.0)


def test_an_unknown_that_nobody_saw_is_zero_of_size_one():
    values = torch.rand(2, 5, 2, dtype=torch.float64)
    values[..., 1] = torch.nan
    seen = pinn.Measurements(torch.rand(2, 5, 1), values)
    assert seen.mean.tolist() == [pytest.approx(float(values[..., 0].mean())), 0.0]
    assert float(seen.scale[1]) == 1.0


def test_held_out_points_are_the_others(seen):
    kept, judged = seen.held_out(0.25, seed=1)
    times = torch.cat([kept.points, judged.points], 1)[0, :, 0].sort()[0]
    assert kept.points.shape[1] == 9
    assert torch.equal(times, seen.points[0, :, 0])


def test_collocation_fills_the_domain():
    lv, burgers = ll.problems.get("lotka_volterra", span=3.0), pinn.burgers_from_sine(0.05)
    assert domain(burgers) == ((0.0, -1.0), (1.0, 1.0))
    low, high = (torch.tensor(ends, dtype=torch.float64) for ends in domain(burgers))
    points = pinn.collocation(burgers, 256, seed=1)
    assert ((points >= low) & (points <= high)).all()
    # a quarter of the box holds a quarter of the points
    assert ((points[:, 0] < 0.5) & (points[:, 1] < 0)).sum().item() == pytest.approx(64, abs=2)
    assert torch.equal(points, pinn.collocation(burgers, 256, seed=1))
    late = pinn.collocation(lv, 50, "log")[:, 0]
    assert late[0] == 0
    assert late[-1] == pytest.approx(3.0)
    assert torch.allclose(late[2:] / late[1:-1], (late[2] / late[1]).expand(48))


def test_batches_hold_the_step_only_while_weights_may_move(seen):
    points = torch.zeros(5, 1, dtype=torch.float64)
    assert "step" not in pinn.batches(points, seen).batch(3)
    assert pinn.batches(points, seen, adapting=True).batch(3)["step"] == 3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pinn.Measurements(torch.zeros(1, 3, 1), torch.zeros(1, 4, 1)), InvalidArgument, "points must be"),
        (lambda: pinn.Measurements(torch.zeros(1, 1, 1) / 0, torch.zeros(1, 1, 1)), InvalidArgument, "finite"),
        (lambda: pinn.collocation(pinn.burgers_from_sine(0.1), 9, "grid"), InvalidArgument, "sobol"),
        (lambda: pinn.collocation(pinn.burgers_from_sine(0.1), 9, "grids"), UnknownName, "did you mean 'grid'"),
        (lambda: pinn.Measurements(torch.zeros(1, 2, 1), torch.zeros(1, 2, 1)).noise(), InvalidArgument, "three"),
        (lambda: pinn.Measurements(torch.zeros(1, 2, 1), torch.zeros(1, 2, 1)).held_out(0.1, 0),
         InvalidArgument, "none"),
        (lambda: pinn.batches([torch.zeros(2, 1)] * 2, pinn.Measurements(torch.zeros(1, 2, 1), torch.zeros(1, 2, 1))),
         InvalidArgument, "one set"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_measurements_of_a_dataset_are_its_trajectories(predators):
    dataset = predators.simulate(2, resolution=7)
    seen = pinn.Measurements.of(dataset)
    assert np.array_equal(seen.values.numpy(), dataset["y"].values)
    assert torch.equal(seen.points[1, :, 0], torch.tensor(dataset["time"].values))
