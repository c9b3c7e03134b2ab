"""What the contract promises every experiment, on lines that learn their slope."""

import pytest
import torch
import xarray as xr
from experiments.contract.toy_experiment import LINES, Line, LineSettings

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments import Prepared, Trial

NAMES = ("slope-1.0/slow", "slope-1.0/fast", "slope-2.0/slow", "slope-2.0/fast", "mean")


@pytest.fixture(scope="module")
def prepared():
    return LINES.prepare(LINES.configure(), False)


@pytest.fixture(scope="module")
def result():
    return LINES.train(LINES.configure()).finish()


def trained(**options):
    return LINES.train(LINES.configure(**options))


def test_a_name_holds_texts_as_they_are_and_numbers_with_their_axis(prepared):
    assert prepared.names == NAMES
    assert Trial({"parametrization": "mup", "width": 256}, Line).name == "mup/width-256"


def test_trials_are_selected_by_their_coordinates(prepared):
    assert prepared.select(slope=1.0).names == NAMES[:2]
    assert prepared.select(rate=("slow", "fast"), slope=(2.0,)).names == NAMES[2:4]
    assert prepared.select(baseline="mean").names == ("mean",)
    assert prepared.trial(slope=2.0, rate="slow").at == {"slope": 2.0, "rate": "slow"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.select(slope=3.0), r"no trial has \{'slope': 3.0\}; there are slope-1.0/slow, "),
        (lambda p: p.select(width=1), r"no trial has \{'width': 1\}"),
        (lambda p: p.trial(slope=1.0), "fits several trials: slope-1.0/slow, slope-1.0/fast"),
        (lambda p: Prepared((), p.measure, None), "an experiment needs trials"),
        (lambda p: Prepared((p.trials[0],) * 2, p.measure, None), "each at a place of its own"),
    ],
)
def test_trials_that_there_are_not_are_named(prepared, call, message):
    with pytest.raises(InvalidArgument, match=message):
        call(prepared)


def test_a_training_is_as_long_as_it_says_and_goes_seed_by_seed():
    """Four lines of three steps with two seeds; the mean has none."""
    training = trained(steps=3)
    stages = list(training)
    assert len(stages) == len(training) == 24
    assert [(s.model, s.seed) for s in stages[::3]] == [(name, seed) for seed in (0, 1) for name in NAMES[:4]]
    assert (stages[0].stage, stages[-1].stage, stages[-1].stages) == (1, 9, 10)


def test_only_leaves_the_other_trials_out_and_changes_no_number(result):
    part = LINES.train(LINES.configure(), only={"slope": 2.0, "rate": "fast"}).finish()
    assert part.prepared.names == ("slope-2.0/fast",)
    for name in ("output", "weight"):
        xr.testing.assert_equal(
            part.metrics[name].drop_vars(["slope", "rate"]),
            result.metrics[name].sel(model=["slope-2.0/fast"]).drop_vars(["slope", "rate", "baseline"]),
        )


def test_lines_are_those_of_gradient_descent_written_out(result):
    """w and b after 30 steps of rate 0.5 on mean (w x + b - 2 x)^2."""
    x = torch.linspace(-1, 1, 8)
    line = Line(1)
    w, b = line.w.detach(), line.b.detach()
    for _ in range(30):
        error = w * x + b - 2 * x
        w, b = w - 0.5 * 2 * (error * x).mean(), b - 0.5 * 2 * error.mean()
    assert float(result.metrics["weight"].sel(model="slope-2.0/fast", seed=1)) == pytest.approx(float(w), abs=1e-6)


def test_measure_sees_the_model_as_it_was_built_beside_the_trained_one(result):
    for seed in (0, 1):
        start = result.metrics["start"].sel(model=list(NAMES[:4]), seed=seed)
        assert (start == float(Line(seed).w.detach())).all()
        assert (result.metrics["weight"].sel(model=list(NAMES[:4]), seed=seed) != start).all()


def test_evaluate_sees_it_too(result):
    last = result.curves["moved"].isel(step=-1)
    moved = abs(result.metrics["weight"] - result.metrics["start"]).sel(model=list(NAMES[:4]))
    assert last.values == pytest.approx(moved.values, abs=1e-6)


def test_a_model_that_learns_nothing_is_measured_against_itself(result):
    assert bool(result.metrics["same"].sel(model="mean").all())


def test_a_killed_training_goes_on_to_the_same_end(result, tmp_path):
    """Stopped within the second model's training; stored weights, metrics and curves are those of one in a piece."""
    training = LINES.train(LINES.configure(), tmp_path / "run")
    for _ in range(41):
        next(training)
    training.close()
    resumed = LINES.train(LINES.configure(), tmp_path / "run", resume=True).finish()
    xr.testing.assert_equal(resumed.metrics, result.metrics)
    xr.testing.assert_equal(resumed.curves, result.curves)


def test_a_stored_run_is_read_back_whole(tmp_path):
    stored = LINES.train(LINES.configure("smoke"), tmp_path / "run").finish()
    loaded = LINES.load(tmp_path / "run")
    assert loaded.settings == LineSettings(steps=5, seeds=2)
    xr.testing.assert_equal(loaded.metrics, stored.metrics)
    xr.testing.assert_equal(loaded.curves, stored.curves)
    assert {key: float(m(torch.ones(1))) for key, m in loaded.models.items()} == {
        key: float(m(torch.ones(1))) for key, m in stored.models.items()
    }


def test_sizes_differ_where_they_say(prepared):
    assert [(s.steps, s.seeds) for s in LINES.sizes.values()] == [(5, 2), (30, 2), (30, 4)]
    assert {o.name: o.default for o in LINES.options()} == {
        "device": "auto",
        "steps": 30,
        "seeds": 2,
        "seed": 0,
        "slopes": (1.0, 2.0),
    }
    with pytest.raises(UnknownName, match="did you mean 'smoke'"):
        LINES.configure("smok")


def test_an_experiment_is_shown_by_what_differs_between_its_sizes():
    shown = repr(LINES).splitlines()
    assert shown[0] == f"Experiment {LINES.name or '(no name)'}: {LINES.title}"
    sizes = {line.split()[0]: line for line in shown[1:]}
    for size, settings in LINES.sizes.items():
        assert f"seeds={settings.seeds}" in sizes[size]
        assert "device" not in sizes[size]
