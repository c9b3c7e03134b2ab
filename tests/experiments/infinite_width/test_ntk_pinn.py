"""Physics-informed networks at smoke size, and what a training with weights must hold."""

import numpy as np
import pytest
import xarray as xr

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.infinite_width import ntk_pinn
from limitlab.infinite_width import empirical_pinn_kernel


@pytest.fixture(scope="module")
def pinn():
    experiment = experiments.get("ntk_pinn")
    return experiment.train(experiment.configure("smoke", frequencies=(1,))).finish()


def test_every_figure_is_drawn(pinn):
    assert set(pinn.figures()) == {"training", "spectra", "solutions"}


def test_weights_of_the_loss_even_out_the_traces_of_the_kernel(pinn):
    data = pinn.data
    model = pinn.models["frequency-1/weighted", 0]
    model.balance(data.interior, data.boundary)
    kernel = empirical_pinn_kernel(model.network, data.interior, data.boundary)
    weighted = kernel.weighted(float(model.boundary_weight), float(model.interior_weight))
    assert float(weighted.boundary.trace()) == pytest.approx(float(weighted.interior.trace()), rel=1e-9)
    assert float(pinn.models["frequency-1/plain", 0].interior_weight) == 1.0


def test_improvement_is_a_ratio_of_two_errors(pinn):
    """Of the metrics, by name of the trial."""
    plain, weighted = (pinn.metrics["relative_l2"].sel(model=f"frequency-1/{w}") for w in ("plain", "weighted"))
    np.testing.assert_array_equal(ntk_pinn.improvement(pinn).sel(frequency=1), plain / weighted)


def test_a_killed_training_with_weights_goes_on_as_if_it_was_not(pinn, tmp_path):
    experiment = experiments.get("ntk_pinn")
    settings = experiment.configure("smoke", frequencies=(1,))
    training = experiment.train(settings, tmp_path / "run")
    for _ in range(67):  # in the middle of the weighted network, between two looks at its kernel
        next(training)
    training.close()
    resumed = experiment.train(settings, tmp_path / "run", resume=True).finish()
    xr.testing.assert_equal(resumed.metrics["relative_l2"], pinn.metrics["relative_l2"])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"activation": "relu"}, "activation"), ({"frequencies": ()}, "frequencies must hold different entries")],
)
def test_bad_settings_get_one_clear_error(options, message):
    with pytest.raises(InvalidArgument, match=message):
        experiments.get("ntk_pinn").configure("smoke", **options)
