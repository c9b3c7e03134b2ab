"""The flows of the course are those of the catalogue, for a fraction of the work; the linear rival is linear."""

import pytest
import torch

from limitlab import experiments, problems
from limitlab.experiments.operators._navier_stokes import PROBLEM
from limitlab.experiments.operators.navier_stokes_fno import linear


def test_flows_on_fewer_points_with_longer_steps_are_the_same():
    """2 * 10^-4 of their size, where a model's error is a tenth."""
    course = experiments.get("navier_stokes_fno").configure("course").parameters
    assert course == ("amplitude=0.1",)
    flows = [
        torch.as_tensor(problem.with_parameters(amplitude=0.1).simulate(2, seed=3, resolution=32)["w"].values[:, -1])
        for problem in (PROBLEM, problems.get("navier_stokes_forced"))
    ]
    assert (flows[0] - flows[1]).norm() < 2e-4 * flows[1].norm()
    # not so small that the equation is linear: five times the forcing is far from it
    forcing = torch.as_tensor(PROBLEM.with_parameters(amplitude=0.1).simulate(2, seed=3, resolution=32)["f"].values)
    scale = (flows[1] * forcing).sum() / forcing.square().sum()
    assert (scale * forcing - flows[1]).norm() > 0.35 * flows[1].norm()


def test_the_linear_rival_is_a_number_for_every_wave(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path))
    experiment = experiments.get("navier_stokes_fno")
    task = experiment.prepare(experiment.configure("smoke", models=("mean",))).data.task
    model, x = linear(task).double(), torch.arange(16, dtype=torch.float64) / 16
    wave = torch.cos(2 * torch.pi * 3 * x).expand(1, 1, 16, 16)
    with torch.no_grad():
        answer = model(wave) - model(0 * wave)
    spectrum = torch.fft.rfft(answer[0, 0, 0], norm="forward").abs()
    assert float(spectrum[3]) > 0
    assert float(spectrum.sum() - spectrum[3]) == pytest.approx(0, abs=1e-12)
