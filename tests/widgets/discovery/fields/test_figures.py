import dataclasses

import numpy as np
import pytest

from limitlab import problems
from limitlab.discovery.terms import first_hidden, inputs_of
from limitlab_widgets.discovery.fields.figures import forecast, hidden_term, residuals, trajectories
from limitlab_widgets.discovery.fields.table import read_scattered
from limitlab_widgets.discovery.forecast import Forecasts
from limitlab_widgets.discovery.learned import Learned, Plan, Settings
from limitlab_widgets.discovery.sampling import Sampling, suited

TINY = Settings(adam=1, quasi_newton=0, width=4, collocation=8)
BURGERS = suited(problems.get("burgers", span=0.1))
FILE = read_scattered("a.csv", b"t,x,u\n0,0.1,1\n0.05,0.3,2\n0.1,0.7,-1\n0.02,0.9,0\n")


@pytest.fixture
def learned():
    def made(inputs=None, file=None):
        sampling = Sampling(BURGERS, 12, 0.0, 1, 0, file)
        plan = Plan(sampling, first_hidden(BURGERS), inputs or inputs_of(BURGERS), TINY)
        measured = sampling.measured()
        return Learned.of(plan, measured, plan.model(measured), {"data": [1.0]})

    return made


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_points_lie_on_the_truth_beside_the_network_and_its_error(learned):
    seen = learned()
    figure = trajectories(BURGERS, seen.measured, seen, 0)
    (points,) = named(figure, "u")
    np.testing.assert_allclose(points.marker.color, seen.measured.seen.values[0, :, 0])
    np.testing.assert_allclose(np.stack([points.y, points.x], 1), seen.measured.seen.points[0])
    (truth,), (network,), (error,) = (named(figure, name) for name in ("truth", "network", "error"))
    np.testing.assert_allclose(error.z, network.z - truth.z)
    # the error has colours of its own
    assert figure.layout.coloraxis2.cmax == pytest.approx(np.abs(error.z).max())


def test_before_a_training_the_truth_is_alone_and_a_file_has_none(learned):
    measured = Sampling(BURGERS, 12, 0.0, 1, 0).measured()
    assert [trace.name for trace in trajectories(BURGERS, measured, None, 0).data] == ["truth", "u"]
    unknown = Sampling(dataclasses.replace(BURGERS, span=FILE.span), 0, 0.0, 0, 0, FILE).measured()
    assert [trace.name for trace in trajectories(BURGERS, unknown, None, 0).data] == ["u"]
    seen = learned(file=FILE)
    assert {trace.name for trace in trajectories(BURGERS, seen.measured, seen, 0).data} == {"u", "network"}


def test_the_hidden_term_stands_against_its_truth_on_the_visited_set(learned):
    seen = learned()
    (points,) = named(hidden_term(seen, 0), "visited")
    features = seen.samples["features"].values
    np.testing.assert_allclose(points.x, -features[:, 0] * features[:, 1])
    np.testing.assert_allclose(points.y, seen.samples["values"].values[:, 0])


@pytest.mark.parametrize("inputs", [("u",), ("u", "u_x")])
def test_over_one_or_two_inputs_the_network_is_drawn_around_the_set(learned, inputs):
    seen = learned(inputs)
    (around,) = named(hidden_term(seen, 0), "network")
    values = around.y if len(inputs) == 1 else around.z.T
    np.testing.assert_allclose(values, seen.map.values[0])


def test_without_a_truth_the_network_is_drawn_over_its_first_input(learned):
    seen = learned(file=FILE)
    (points,) = named(hidden_term(seen, 0), "visited")
    np.testing.assert_allclose(points.x, seen.samples["features"].values[:, 0])
    assert not named(hidden_term(seen, 0), "truth")


def test_residuals_are_a_map_over_time_and_space(learned):
    seen = learned()
    (drawn,) = residuals(seen, 0).data
    np.testing.assert_allclose(np.ravel(drawn.z), seen.residuals[0, 0])


def test_a_forecast_that_leaves_is_cut_and_the_truth_is_not():
    times = np.linspace(0, 1, 3)
    fields = {"truth": np.array([[1.0, 2.0]] * 3), "formula": np.array([[1.0, 5.0], [1.0, 1e9], [np.nan, 1.0]])}
    figure = forecast(BURGERS, Forecasts(("u",), times, fields), 0.5)
    drawn = [trace.y.tolist() for trace in named(figure, "formula")]
    np.testing.assert_array_equal(drawn, [[1, 5], [1, np.nan], [np.nan, 1]])
    assert [trace.y.tolist() for trace in named(figure, "truth")] == [[1, 2]] * 3
