"""A person's modules are tried at the door, trained beside the catalogue's operators, and read back."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.saved import Saved, load


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def test_a_persons_own_module_is_compared_with_the_catalogue():
    linear = torch.nn.Conv1d(1, 1, 1)
    start = linear.weight.clone()
    experiment = experiments.with_models(
        experiments.get("burgers_fno"), linear=linear, wide=lambda task: torch.nn.Conv1d(task.in_channels, 1, 1)
    )
    settings = experiment.configure("smoke", models=("mean",), rates="linear=0.1", seeds=2)
    result = experiment.train(settings).finish()
    assert list(result.metrics["model"].values) == ["mean", "linear", "wide"]
    assert bool(np.isfinite(result.metrics["relative_l2"]).all())
    assert torch.equal(linear.weight, start), "a copy is trained"
    assert result.prepared.trial(operator="linear").recipe.learning_rate == 0.1


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"fno": torch.nn.Identity()}, "of the catalogue"),
        ({"mine": 3}, "torch module or a function"),
        ({"mine": lambda task: 3}, r"must make a torch\.nn\.Module"),
        ({"mine": torch.nn.Conv1d(1, 2, 1)}, r"mine must map .* it gave \(2, 2, 32\)"),
        ({"mine": torch.nn.LSTM(32, 32)}, r"mine must map .* it gave tuple"),
        (
            {"mine": torch.nn.Conv1d(2, 1, 3)},
            r"on a grid \(32,\) it failed with RuntimeError: .*channels",
        ),
        ({"mine": torch.nn.Linear(32, 32)}, r"on a grid \(64,\) it failed .*without 64 in test_resolutions"),
    ],
)
def test_a_module_of_another_form_is_refused_before_anything_is_trained(models, message):
    def prepare():
        experiment = experiments.with_models(experiments.get("burgers_fno"), **models)
        experiment.prepare(experiment.configure("smoke", models=("mean",), test_resolutions=(32, 64)))

    with pytest.raises(InvalidArgument, match=message):
        prepare()


def test_a_module_for_one_grid_is_compared_on_that_grid():
    experiment = experiments.with_models(experiments.get("burgers_fno"), dense=torch.nn.Linear(32, 32))
    settings = experiment.configure("smoke", models=("mean",), test_resolutions=(32,))
    assert "dense" in experiment.train(settings).finish().metrics["model"]


def test_an_experiment_without_operators_takes_no_modules():
    with pytest.raises(InvalidArgument, match=r"experiment must be an experiment of operators.*'ntk_circle'"):
        experiments.with_models(experiments.get("ntk_circle"), mine=torch.nn.Identity())


def test_a_persons_model_is_read_back_with_the_run_and_by_itself_where_its_class_is_saved(tmp_path):
    class Scale(Saved):
        """A number times the field."""

        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(1))

        def forward(self, u):
            return self.factor * u

    experiment = experiments.with_models(
        experiments.get("burgers_fno"), scale=Scale(), plain=torch.nn.Conv1d(1, 1, 1), local=Local()
    )
    settings = experiment.configure("smoke", models=("mean",), seeds=1)
    result = experiment.train(settings, tmp_path / "run").finish()
    assert experiment.load(tmp_path / "run").metrics.equals(result.metrics)
    u = torch.randn(2, 1, settings.resolution)
    with torch.no_grad():
        for name in ("scale", "plain"):
            read = load(tmp_path / "run" / name / "seed-0")
            assert torch.equal(read(u), result.models[name, 0].cpu().eval()(u))
    with pytest.raises(InvalidArgument, match=r"holds weights alone: load\(path, into=model\)"):
        load(tmp_path / "run/local/seed-0")
    with pytest.raises(InvalidArgument, match=r"Local.*Saved"):
        result.models["local", 0].save(tmp_path / "local.safetensors")


class Local(torch.nn.Module):
    """A module that does not say what it was made with."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, u):
        return self.inner(u)
