"""Hidden actions of a drug at smoke size: the truth has no error, and the measurements name the law."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.discovery.pinn import UniversalODE, equations_of
from limitlab.discovery.pinn.identifiability import condition_number, library
from limitlab.errors import UnknownName
from limitlab.experiments.discovery._hidden import TRAININGS, measure
from limitlab.experiments.discovery.chemotherapy_upinn import ACTIONS, LAWS, measured, named


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("chemotherapy_upinn")
    return experiment.train(experiment.configure("smoke", seeds=1)).finish()


def test_every_training_has_its_errors_on_all_doses(result):
    grid = result.grid("training")
    assert grid["training"].values.tolist() == list(TRAININGS)
    assert grid.sizes["trajectory"] == 2
    for name in ("relative_l2", "term_error", "inner_error"):
        assert np.isfinite(grid[name]).all(), name
    assert set(result.figures()) == {"training", "hidden"}


@pytest.mark.parametrize("action", ACTIONS)
def test_hidden_term_is_what_the_tumour_lacks_to_logistic_growth(action):
    """N' by differences of the true trajectory, less the growth that is known."""
    data = measured(experiments.get("chemotherapy_upinn").configure("smoke", action=action))
    cells = data.states[..., 0]
    step = data.times[1] - data.times[0]
    slopes = (-cells[:, 4:] + 8 * cells[:, 3:-1] - 8 * cells[:, 1:-3] + cells[:, :-4]) / (12 * step)
    inner = cells[:, 2:-2]
    torch.testing.assert_close(data.terms[:, 2:-2, 0], slopes - 0.5 * inner * (1 - inner), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("action", ACTIONS)
def test_measurements_name_the_law_and_its_constants(action):
    data = measured(experiments.get("chemotherapy_upinn").configure("course", action=action, noise=0.01))
    best = named(data).best
    assert best.formulas[0].names
    features = data.features.flatten(0, 1).numpy()
    np.testing.assert_allclose(best.formulas[0](features), data.terms.flatten(0, 1)[:, 0], atol=0.01)
    assert best.n_params == len(LAWS[action][1])


def test_one_dose_is_a_curve_and_three_are_not():
    """Condition number of monomials on the visited set: the doses are what tells candidates apart."""
    numbers = []
    for doses in ((1.0,), (0.5, 1.0, 2.0)):
        features = measured(experiments.get("chemotherapy_upinn").configure("smoke", doses=doses)).features
        numbers.append(condition_number(library(features.flatten(0, 1), ("N", "C"))[0]))
    assert numbers[1] < numbers[0] / 2


def test_field_that_cannot_be_followed_is_infinitely_far_off(result):
    """A rival whose field blows up has an error, and ends no experiment."""
    model = UniversalODE(
        equations_of(result.data.problem), result.data.hidden, result.data.seen, result.data.starts, term=Explosion()
    )
    measures = measure(result.data, model, model)
    assert np.isinf(measures["relative_l2"])
    assert np.isfinite(measures["term_error"])


class Explosion(torch.nn.Module):
    """G = N^3, and a parameter that says where it is."""

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(50.0, dtype=torch.float64))

    def forward(self, features):
        return self.factor * features[:, :1] ** 3


def test_unknown_actions_are_named():
    with pytest.raises(UnknownName, match="action"):
        experiments.get("chemotherapy_upinn").configure("smoke", action="log_kil")
