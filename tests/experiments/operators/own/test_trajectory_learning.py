"""Own trajectories are learned frame by frame: the same as those of the problem that made them; bad files end first."""

from dataclasses import replace

import numpy as np
import pytest

from limitlab import experiments, problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.operators._rollouts import measure_rollouts
from limitlab.operators import Persistence

EXPERIMENT = experiments.get("trajectory_learning")


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """Waves that move by one of 16 points a frame, at 8 frames."""
    x, samples = np.arange(16) / 16, np.random.default_rng(0)
    shifts, sizes = samples.random((24, 1)), samples.uniform(1, 2, (24, 1))
    frames = [sizes * np.sin(2 * np.pi * (x - step / 16 + shifts)) for step in range(8)]
    path = tmp_path_factory.mktemp("own") / "waves.npz"
    np.savez(path, u=np.stack(frames, 1).astype(np.float32), x=x, t=0.5 * np.arange(8))
    return path


def configured(path, **options):
    return EXPERIMENT.configure("smoke", **{"data": path, "kind": "periodic", "dims": "sample time x", **options})


def test_persistence_errs_by_what_a_wave_moves_in_so_many_steps(waves):
    result = EXPERIMENT.train(configured(str(waves), models=("persistence",), rollout=5)).finish()
    errors = result.metrics["rollout_l2"].squeeze(drop=True)
    # |sin(a - b) - sin(a)| in the mean square is 2 sin(b / 2) of |sin|
    expected = 2 * np.sin(np.pi * np.arange(1, 6) / 16)
    np.testing.assert_allclose(errors, np.broadcast_to(expected, errors.shape), rtol=1e-5)
    np.testing.assert_allclose(result.metrics["start"], [0.0, 0.5, 1.0])


def test_a_model_that_learned_the_next_frame_goes_on_from_its_own_answers(waves, tmp_path):
    settings = configured(str(waves), models=("fno", "persistence"), epochs=12, train_samples=16)
    result = EXPERIMENT.train(settings, tmp_path / "run").finish()
    by_step = result.metrics["rollout_l2"].mean(("seed", "resolution", "sample", "start"))
    assert (by_step.sel(model="fno") < 0.5 * by_step.sel(model="persistence")).all()
    assert {"training", "rollout", "sample"} <= set(result.figures())
    assert EXPERIMENT.load(tmp_path / "run").metrics.equals(result.metrics)


def test_a_file_of_a_problem_gives_the_numbers_of_the_problem(tmp_path):
    heat = problems.get("heat").with_domain(span=0.2, frames=6)
    frames = heat.dataset(12, 0, 16)
    frames.to_netcdf(tmp_path / "heat.nc")
    settings = configured(str(tmp_path / "heat.nc"), models=("persistence",), rollout=2, dims="", kind="")
    own = EXPERIMENT.train(settings).finish()
    tested = frames.isel(sample=own.prepared.data.test[16]["sample"].values)
    errors = measure_rollouts(Persistence(), replace(own.data, problem=heat, test={16: tested}), own.settings)
    np.testing.assert_allclose(own.metrics["rollout_l2"].squeeze(drop=True), errors["rollout_l2"][0], rtol=1e-5)
    np.testing.assert_allclose(settings.trajectories.times, heat.times)


def test_channels_are_fields_and_coarser_grids_are_tested(tmp_path):
    u = np.random.default_rng(0).random((10, 5, 2, 16)).astype(np.float32) + 1
    np.savez(tmp_path / "two.npz", u=u, x=np.arange(16) / 16, t=np.arange(5.0))
    settings = configured(
        str(tmp_path / "two.npz"), models=("fno", "persistence"), test_resolutions=(8, 16), rollout=2, dims=""
    )
    result = EXPERIMENT.train(settings).finish()
    assert [field.name for field in settings.trajectories.fields] == ["u_0", "u_1"]
    assert result.metrics["resolution"].values.tolist() == [8, 16]
    assert result.prepared.data.task.in_channels == 2


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        ({}, {"fields": ("v",)}, UnknownName, "unknown field that evolves 'v'"),
        ({}, {"rollout": 9}, InvalidArgument, "frames must be from 10, the history and the longest rollout, to 4"),
        ({}, {"frames": 9}, InvalidArgument, "to 4, those of bad.npz; got 9"),
        ({}, {"resolution": 5}, InvalidArgument, "a resolution must divide the 16 points"),
        ({"t": np.array([0, 1, 3, 4.0])}, {}, InvalidArgument, "times of .*bad.npz must be even"),
        ({"u": np.full((6, 4, 16), np.nan)}, {}, InvalidArgument, "u in .*bad.npz must be finite"),
        ({"u": np.ones((1, 4, 16))}, {}, InvalidArgument, "must have two samples or more"),
        ({"u": np.ones((6, 16)), "t": None}, {"dims": ""}, InvalidArgument, "must have a field with a time axis"),
        ({}, {"parameters": ("nu=1",)}, InvalidArgument, "a file has no equation"),
    ],
)
def test_what_cannot_be_learned_from_ends_before_the_run(tmp_path, arrays, options, error, message):
    whole = {"u": np.ones((6, 4, 16)), "x": np.arange(16) / 16, "t": np.arange(4.0), **arrays}
    np.savez(tmp_path / "bad.npz", **{name: array for name, array in whole.items() if array is not None})
    with pytest.raises(error, match=message):
        configured(str(tmp_path / "bad.npz"), **{"rollout": 2, **options})


def test_without_a_file_it_says_what_is_needed():
    with pytest.raises(InvalidArgument, match="data must be the path of a file"):
        EXPERIMENT.configure("smoke")
