"""What is read off a flow is what its parts give one after the other, and a file has it back."""

import torch

import limitlab as ll
from limitlab.neural_des.ode import FlowClassifier, FlowForecaster, MLPField, NeuralODE, ZeroLift
from limitlab.neural_des.regularization import RegularizedODE, Unregularized


def flow(state):
    ode = NeuralODE(MLPField(state, width=4, seed=0).double(), (0.0, 1.0), rtol=1e-6, atol=1e-6)
    return RegularizedODE(ode, Unregularized())


def points(count=5):
    return torch.linspace(-1, 1, 2 * count, dtype=torch.float64).reshape(count, 2)


def test_a_classifier_is_a_linear_map_of_the_lifted_flows_end():
    ode = flow(3)
    model = FlowClassifier(ode, 3, 2, lift=ZeroLift(1), seed=1)
    lifted = torch.cat([points(), torch.zeros(5, 1, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(model(points()), ode(lifted) @ model.head.weight.T + model.head.bias)


def test_a_forecaster_shows_the_features_of_the_data_alone_and_starts_at_them():
    model = FlowForecaster(flow(3), ZeroLift(1))
    t = torch.linspace(0, 1, 7, dtype=torch.float64)
    path = model(points(), t)
    assert path.shape == (5, 7, 2)
    torch.testing.assert_close(path[:, 0], points())


def test_a_file_has_both_back(tmp_path):
    t = torch.linspace(0, 1, 3, dtype=torch.float64)
    for model, rest in ((FlowClassifier(flow(2), 2, 3, seed=4), ()), (FlowForecaster(flow(2), ZeroLift(0)), (t,))):
        again = ll.load(model.save(tmp_path))
        assert torch.equal(again(points(), *rest), model.eval()(points(), *rest))
