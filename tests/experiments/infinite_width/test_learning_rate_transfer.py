import numpy as np
import pytest

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.infinite_width import learning_rate_transfer

EXPERIMENT = experiments.get("learning_rate_transfer")


@pytest.fixture(scope="module")
def result():
    """A sweep over three octaves of width."""
    options = {"widths": (64, 512), "octaves": tuple(range(-10, -3)), "steps": 30, "seeds": 1}
    return EXPERIMENT.train(EXPERIMENT.configure(**options, device="cpu")).finish()


def test_smoke_size_trains_and_draws():
    done = EXPERIMENT.train(EXPERIMENT.configure("smoke", device="cpu")).finish()
    assert np.isfinite(done.metrics["final"]).all()
    assert all(len(figure.data) for figure in done.figures().values())


def test_best_rate_of_sp_falls_with_the_width_and_that_of_mup_stays(result):
    shift = learning_rate_transfer.shifts(result)["loss"]
    assert float(shift.sel(parametrization="sp")) >= 2.0  # the optimum goes like 1/n
    assert abs(float(shift.sel(parametrization="mup"))) <= 0.5


def test_the_surface_holds_the_mean_loss_of_every_training(result):
    surface = learning_rate_transfer.surface(result)
    assert surface["loss"].dims == ("parametrization", "width", "learning_rate", "seed")
    at = {"parametrization": "mup", "width": 512, "learning_rate": 2.0**-7}
    logged = result.curves["cross_entropy"].sel(model=result.prepared.trial(**at).name)
    np.testing.assert_allclose(surface["loss"].sel(at), logged.mean("step"))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"octaves": (-4, -5)}, "octaves need three or more"), ({"batch_size": 2000}, "batch_size must be")],
)
def test_settings_that_mean_nothing_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        EXPERIMENT.configure("smoke", **options)
