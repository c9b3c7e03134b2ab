"""The experiment on a reader's file: the same as that on the problem that made it; bad files end before the run."""

import json

import numpy as np
import pytest
import torch
from own_files import burgers_file

from limitlab import data, experiments, problems
from limitlab.cli import main
from limitlab.errors import InvalidArgument


@pytest.fixture(scope="module")
def burgers(tmp_path_factory):
    return burgers_file(tmp_path_factory.mktemp("own") / "burgers.npz", 60)


def configured(path, **options):
    named = {"data": path, "inputs": ("a",), "targets": ("u",), "kind": "periodic", **options}
    return experiments.get("operator_learning").configure("smoke", **named)


def test_an_operator_learns_from_a_file_what_the_mean_does_not_know(burgers):
    settings = configured(burgers, models=("fno", "mean"), epochs=30, train_samples=50, test_samples=10)
    result = experiments.get("operator_learning").train(settings).finish()
    error = result.metrics["relative_l2"].mean(("seed", "resolution", "sample"))
    assert float(error.sel(model="fno")) < 0.6 * float(error.sel(model="mean"))
    assert {"training", "resolution", "distribution", "spectrum", "sample"} <= set(result.figures())
    assert result.metrics.attrs["problem"] == "burgers.npz"


def test_tests_are_at_coarser_resolutions_too(burgers, tmp_path):
    experiment = experiments.get("operator_learning")
    settings = configured(burgers, test_resolutions=(16, 32), models=("fno", "lordnet"))
    result = experiment.train(settings, tmp_path / "run").finish()
    assert result.metrics["resolution"].values.tolist() == [16, 32]
    # an operator of one grid answers there alone
    assert np.isnan(result.metrics["relative_l2"].sel(model="lordnet", resolution=16)).all()
    assert experiment.load(tmp_path / "run").metrics.equals(result.metrics)


def test_a_small_file_is_parted_by_itself(burgers):
    own = configured(burgers, train_samples=500, test_samples=500, batch_size=500)
    sized = own.at(own.functions)
    assert (sized.train_samples, sized.test_samples, sized.batch_size) == (48, 12, 48)
    assert (sized.resolution, sized.test_resolutions) == (32, (32,))


@pytest.mark.parametrize("name", ["own.h5", "own.pt"])
def test_trajectories_are_learned_from_their_first_frame_to_the_last(name, tmp_path):
    heat = problems.get("heat", frames=3).simulate(12, resolution=16)
    fields = {"tensor": heat["u"].values, "x-coordinate": heat["x"].values, "t-coordinate": heat["time"].values}
    path = tmp_path / name
    if name == "own.h5":
        import h5py

        with h5py.File(path, "w") as file:
            for key, array in fields.items():
                file[key] = array
    else:
        torch.save({key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in fields.items()}, path)
    settings = configured(str(path), inputs=(), targets=(), models=("mean",))
    result = experiments.get("operator_learning").train(settings).finish()
    test = result.data.test[16]
    np.testing.assert_array_equal(test["target"][:, 0], heat["u"].isel(time=-1).sel(sample=test["sample"]))


def test_the_command_line_runs_a_file(burgers, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = [f"data={burgers}", "inputs=a", "targets=u", "models=fno,mean"]
    code = main(["run", "operator_learning", "--size", "smoke", *(word for each in options for word in ("-o", each))])
    assert code == 0
    assert "relative L2 error" in capsys.readouterr().out
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "settings.json").read_text())["data"] == burgers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": ""}, "data must be the path of a file"),
        ({"data": "none.npz"}, "must be a NumPy archive; there is none"),
        ({"inputs": ("b",)}, "unknown field 'b'"),
        ({"inputs": ()}, "inputs must be named"),
        ({"dims": "sample y z"}, "dims of a in"),
        ({"kind": "cell"}, "choice of kind"),
        ({"resolution": 5}, "a resolution must divide the 32 points of axis 'x'"),
        ({"test_resolutions": (16,), "models": ("lordnet",)}, "must hold the training resolution 32"),
        ({"parameters": ("nu=1",)}, "a file has no equation"),
        ({"models": ()}, "models must not be empty"),
        ({"rates": ("unett=1",)}, "did you mean 'unet'"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_before_a_run_begins(burgers, options, message):
    with pytest.raises(InvalidArgument, match=message):
        configured(burgers, **options)


def test_values_that_are_not_finite_name_field_and_sample(tmp_path):
    values = np.ones((5, 2, 8))
    values[3, 1, 2] = np.nan
    np.savez(tmp_path / "own.npz", u=values, x=np.arange(8.0), t=[0.0, 1.0])
    with pytest.raises(InvalidArgument, match=r"'target' is not finite.*position 3"):
        configured(str(tmp_path / "own.npz"), inputs=(), targets=(), dims="sample time x")


def test_functions_in_memory_are_learned_by_any_module_too():
    x = torch.linspace(0, 2 * torch.pi, 17)[:-1]
    phases = 2 * torch.pi * torch.rand(60, 1, generator=torch.Generator().manual_seed(0))
    waves = torch.sin(x + phases)
    own = data.from_arrays(waves, 3 * waves.roll(2, -1), {"x": (0, 2 * np.pi)}, kind="periodic")
    # a shift by two points is in reach of five
    shift = torch.nn.Conv1d(1, 1, 5, padding="same", padding_mode="circular")
    experiment = experiments.with_models(experiments.with_functions(own), shift=shift)
    settings = experiment.configure("smoke", models=("mean",), epochs=60, train_samples=40, learning_rate=0.1)
    result = experiment.train(settings).finish()
    error = result.metrics["relative_l2"].mean(("seed", "resolution", "sample"))
    assert float(error.sel(model="shift")) < 0.01
    assert float(error.sel(model="mean")) > 0.5
    with pytest.raises(InvalidArgument, match="data must be left out"):
        experiment.configure("smoke", data="own.npz")
    with pytest.raises(InvalidArgument, match="must have two samples or more"):
        experiments.with_functions(own.isel(sample=[0]))
