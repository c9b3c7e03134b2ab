"""The spiral at smoke size: its solution against SciPy, and twins whose trajectories are at the asked times."""

import numpy as np
from scipy.integrate import solve_ivp

from limitlab import experiments
from limitlab.experiments.neural_des.regularization.spiral_ernode import MATRIX, START, spiral


def test_the_data_are_the_solution():
    settings = experiments.get("spiral_ernode").configure("course")
    data = spiral(settings)
    peer = solve_ivp(
        lambda t, y: np.array(MATRIX) @ y**3, (0.0, settings.span), START, t_eval=data.times, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(data.states[0].numpy(), peer.y.T, atol=1e-6)


def test_twins_learn_and_have_their_costs():
    experiment = experiments.get("spiral_ernode")
    result = experiment.train(experiment.configure("smoke")).finish()
    grid = result.grid("way").isel(seed=0)
    assert grid["states"].sizes["time"] == 6
    assert (grid["nfe"] > 7).all()
    # the first state is the known start
    np.testing.assert_array_equal(grid["states"].isel(time=0), np.tile(START, (3, 1)))
    losses = result.curves["squared"].isel(seed=0)
    assert (losses.isel(step=-1) < losses.isel(step=0)).all()
    assert set(result.figures()) == {"states", "nfe"}
