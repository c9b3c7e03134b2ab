import numpy as np
import pytest
import torch

from limitlab import experiments, problems, weights
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.operators._learning import predict, problem_at
from limitlab.operators import OPERATORS
from limitlab_widgets import OperatorState


@pytest.fixture
def opened(closed_at_end):
    return lambda *arguments, **options: closed_at_end(OperatorState(*arguments, **options))


def trained(state: OperatorState) -> OperatorState:
    state.training.train()
    assert state.training.wait(180)
    assert state.training.error == ""
    return state


def test_a_problem_with_an_experiment_uses_it(opened):
    assert opened("burgers").experiment is experiments.get("burgers_fno")
    assert opened("darcy").experiment is experiments.get("darcy_fno")


@pytest.mark.parametrize("name", [name for name, row in weights.ROWS.items() if row.at.get("operator") in OPERATORS])
def test_every_operator_that_ships_is_found_from_its_problem_and_its_name(name, opened):
    row = weights.ROWS[name]
    # of a problem at the parameters of its course, where they are not its own
    state = opened(problem_at(experiments.get(row.experiment).problem, row.settings()))
    state.operator = row.at["operator"]
    experiment, settings = state.plan()
    assert weights.of(experiment.name, settings.as_dict(), operator=state.operator) == name


@pytest.mark.parametrize("name", problems.names("pde"))
def test_every_problem_of_the_catalogue_has_a_plan(opened, name):
    experiment, settings = opened(name, size="smoke").plan()
    assert settings.models == ("fno",)
    assert experiment.name in (name, *experiments.names())


def test_a_problem_of_ones_own_can_be_learned(opened):
    own = problems.parse("u_t = D*u_xx + u*(1 - u)", {"D": 0.01})
    state = trained(opened(own, size="smoke"))
    assert state.predicted.attrs["equation"] == own.equation


def test_parameters_and_options_reach_the_settings(opened):
    state = opened("burgers", size="smoke", width=10)
    state.problem = state.problem.with_parameters(nu=0.05)
    state.options = {"modes": 8, "learning_rate": 0.002}
    state.operator = "unet"
    _, settings = state.plan()
    assert settings.parameters == ("nu=0.05",)
    assert (settings.width, settings.modes) == (10, 8)
    assert settings.models == ("unet",)
    assert settings.learning_rate == 0.002
    assert settings.rates == ()


def test_an_operator_that_knows_one_grid_is_tested_on_it(opened):
    state = opened("darcy", size="smoke", test_resolutions=(16, 32))
    state.operator = "pod_deeponet"
    state.options = {"resolution": 8}
    assert state.plan()[1].test_resolutions == (8, 16, 32)


def test_another_problem_forgets_the_options_and_another_parameter_does_not(opened):
    state = opened("burgers", size="smoke")
    state.options = {"modes": 8}
    state.problem = state.problem.with_parameters(nu=0.05)
    assert state.options == {"modes": 8}
    state.problem = problems.get("darcy")
    assert state.options == {}


def test_bad_arguments_are_told_at_once():
    with pytest.raises(UnknownName, match="did you mean 'burgers'"):
        OperatorState("burger")
    with pytest.raises(UnknownName, match="did you mean 'modes'"):
        OperatorState("burgers", mode=3)
    with pytest.raises(InvalidArgument, match="width"):
        OperatorState("burgers", width=0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("operator", "mean", "unknown operator 'mean'"),
        ("options", {"modes": 0}, "modes must be a whole number >= 2"),
        ("options", {"mode": 4}, "did you mean 'modes'"),
        ("problem", problems.get("lorenz"), "problem must be a PDE in one or two dimensions"),
        ("problem", None, "problem must be a PDE"),
        ("model", "fno", "unknown model 'fno'"),
        ("sample", 1, "sample must be a whole number >= 0 <= 0"),
        ("resolution", 7, "resolution must be one of"),
    ],
)
def test_a_refused_value_leaves_the_state_as_it_was(opened, name, value, message):
    state = opened("burgers", size="smoke")
    before, plan = getattr(state, name), state.plan()
    with pytest.raises(InvalidArgument, match=message):
        setattr(state, name, value)
    assert getattr(state, name) == before
    assert state.plan() == plan


def test_several_changes_are_undone_together(opened):
    state = opened("burgers", size="smoke")
    with pytest.raises(InvalidArgument, match="width"):
        change_together(state, operator="unet", options={"width": 10**9})
    assert (state.operator, state.options) == ("fno", {})


def change_together(state, **values):
    with state.together():
        for name, value in values.items():
            setattr(state, name, value)


def test_a_name_is_looked_up_and_several_changes_have_one_answer(opened):
    state = opened("burgers", size="smoke")
    with state.together():
        state.problem = "darcy"
        state.options = {"modes": 6}
    assert state.problem == problems.get("darcy")
    assert state.plan()[1].modes == 6


def test_models_of_ones_own_are_checked_at_once():
    with pytest.raises(InvalidArgument, match="'fno' is an operator of the catalogue"):
        OperatorState("burgers", models={"fno": torch.nn.Conv1d(1, 1, 1)})
    with pytest.raises(InvalidArgument, match="mine must be a torch module or a function of the task"):
        OperatorState("burgers", models={"mine": 3})


def test_a_model_of_ones_own_learns_in_its_own_copy(opened):
    own = torch.nn.Conv1d(1, 1, 1)
    before = own.weight.clone()
    state = opened("burgers", size="smoke", models={"pointwise": own})
    state.operator = "pointwise"
    trained(state)
    assert state.models == ("mean", "pointwise")
    assert torch.equal(own.weight, before)
    ours = state.metrics["relative_l2"].sel(model="pointwise")
    np.testing.assert_array_equal(ours, state.training.result.metrics["relative_l2"].sel(model="pointwise", seed=0))


def test_data_alone_show_the_baseline(opened):
    state = opened("burgers", size="smoke")
    state.training.prepare()
    state.training.wait(120)
    assert state.models == ("mean",)
    assert (state.model, state.resolution, state.samples) == ("mean", 32, 8)
    assert state.resolutions == (32, 64)
    np.testing.assert_allclose(
        state.predicted["prediction"][0], state.predicted["prediction"][-1], err_msg="the mean is one function"
    )


def test_predictions_are_those_of_the_trained_model(opened):
    state = trained(opened("burgers", size="smoke"))
    (model,) = state.training.result.models.values()
    for resolution in state.resolutions:
        state.resolution = resolution
        assert state.predicted.identical(predict(model, state.training.prepared.data.test[resolution]))


def test_metrics_are_those_of_the_experiment(opened):
    state = trained(opened("burgers", size="smoke"))
    ours = state.metrics["relative_l2"].sel(model="fno")
    np.testing.assert_array_equal(ours, state.training.result.metrics["relative_l2"].sel(model="fno", seed=0))
    assert state.metrics["relative_l2"].dims == ("model", "resolution", "sample")


def test_operators_trained_on_the_same_data_are_kept_side_by_side(opened):
    state = trained(opened("burgers", size="smoke"))
    state.operator = "unet"
    trained(state)
    assert state.models == ("fno", "unet", "mean")
    assert state.model == "unet"
    assert list(state.metrics["model"].values) == ["fno", "unet", "mean"]


def test_other_data_forget_the_operators(opened):
    state = trained(opened("burgers", size="smoke"))
    state.options = {"train_samples": 30}
    state.training.prepare()
    state.training.wait(120)
    assert state.models == ("mean",)


def test_other_hyperparameters_keep_the_data(opened):
    state = trained(opened("burgers", size="smoke"))
    state.operator, state.options = "unet", {"width": 10}
    state.training.prepare()
    state.training.wait(120)
    assert state.models == ("fno", "mean")


def test_a_stopped_model_can_be_looked_at(opened, until):
    state = opened("burgers", size="smoke", epochs=5000)
    state.training.train()
    until(lambda: state.training.done > 2 and state.training.phase == "training")
    state.training.stop()
    state.training.wait(120)
    assert state.model == "fno"
    assert state.predicted is not None
    assert np.isfinite(state.metrics["relative_l2"]).all()


def test_a_pause_shows_the_model_as_it_is(opened, until):
    state = opened("burgers", size="smoke", epochs=5000)
    state.training.train()
    until(lambda: state.training.done > 2 and state.training.phase == "training")
    state.training.pause()
    until(lambda: state.model == "fno")
    assert state.training.phase == "paused"
    assert state.predicted is not None
