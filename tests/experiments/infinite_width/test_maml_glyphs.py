import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.infinite_width.maml_glyphs import glyph_sheet, nearest_drawing


def smoke(**options):
    experiment = experiments.get("maml_glyphs")
    return experiment, experiment.configure("smoke", **options)


@pytest.fixture(scope="module")
def result():
    """All drawings of the course size, fewer steps and test tasks, and no kernel that needs a large factor."""
    experiment = experiments.get("maml_glyphs")
    settings = experiment.configure("course", steps=150, test_tasks=150, widths=(4, 64), kernels=("linear_ntk",))
    return experiment.train(settings).finish()


def test_networks_that_learn_features_beat_the_kernel_and_approach_infinite_width(result):
    accuracy = result.metrics["accuracy"].isel(seed=0).to_series()
    assert accuracy["linear_ntk"] <= 0.30
    assert accuracy["infinite"] > accuracy["linear_ntk"] + 0.15
    assert abs(accuracy["width-64"] - accuracy["infinite"]) <= 0.03
    assert accuracy["width-4"] < accuracy["infinite"] - 0.03


def test_what_is_learned_is_to_look_past_the_clutter(result):
    gain = result.metrics["clutter_gain"].isel(seed=0).to_series()
    assert gain["linear_ntk"] == 1
    assert gain["infinite"] < 0.7
    fresh = result.prepared.trial(limit="infinite").build(0)
    assert float(result.prepared.measure(fresh, fresh)["clutter_gain"]) == pytest.approx(1, abs=1e-5)


def test_statistics_look_past_the_clutter_better_than_what_is_learned(result):
    rivals, learned = (
        nearest_drawing(result).to_series(),
        float(result.metrics["accuracy"].sel(model="infinite").item()),
    )
    assert rivals["as drawn"] < 0.35
    assert rivals["components dropped"] > learned + 0.05
    assert rivals["whitened within classes"] > learned + 0.05


def test_the_readout_stays_near_zero_since_labels_are_permuted(result):
    """What is meta-learned is the metric U'U: a test that looked at V would conclude that nothing was."""
    start, end = result.prepared.trial(limit="infinite").build(0), result.models["infinite", 0]
    change = (end.u @ end.u.T - start.u @ start.u.T).norm() / (start.u @ start.u.T).norm()
    assert change.item() > 0.05
    assert float(end.v.norm()) < 0.2 * float(end.u.norm())


def test_smoke_size_trains_all_limits_and_draws():
    experiment, settings = smoke(steps=3)
    done = experiment.train(settings).finish()
    assert list(done.metrics["model"].values) == [
        "width-8",
        "width-64",
        "infinite",
        "linear_ntk",
        "relu_ntk",
        "relu_gp",
    ]
    assert bool(np.isfinite(done.metrics["accuracy"]).all())
    np.testing.assert_array_equal(done.metrics["width"], [8, 64, np.inf, np.inf, np.inf, np.inf])
    assert set(done.figures()) == {"clean", "cluttered", "training", "accuracy"}
    assert done.curves["query"].sizes["step"] == 3


def test_all_models_see_the_same_tasks():
    experiment, settings = smoke(kernels=("linear_gp", "linear_ntk"))
    prepared = experiment.prepare(settings)
    one, other = (prepared.trial(limit=name).recipe.batches.batch(5) for name in ("infinite", "linear_ntk"))
    assert torch.allclose(one["query"] * 2**0.5, other["query"])


def test_nothing_is_computed_before_the_first_step(monkeypatch):
    def features(*arguments):
        raise AssertionError("features of a kernel are made before they are needed")

    experiment, settings = smoke(steps=2)
    monkeypatch.setattr("limitlab.experiments.infinite_width.maml_glyphs.kernel_features", features)
    training = experiment.train(settings)
    assert len(training) == 6 * settings.steps
    with pytest.raises(AssertionError, match="before they are needed"):
        training.finish()


def test_a_stored_run_reads_back_the_same(tmp_path):
    experiment, settings = smoke(steps=3, kernels=("relu_gp",), widths=(8,))
    done = experiment.train(settings, tmp_path / "run").finish()
    loaded = experiment.load(tmp_path / "run")
    assert loaded.metrics.equals(done.metrics)
    for name in ("relu_gp", "infinite"):
        fresh = loaded.prepared.trial(limit=name).build(0)
        measured = loaded.prepared.measure(loaded.models[name, 0], fresh)
        assert float(measured["accuracy"]) == float(done.metrics["accuracy"].sel(model=name, seed=0))


def test_the_authors_table_sets_start_and_rate_of_each_width():
    experiment, settings = smoke(initialisation="repository", widths=(2, 32), kernels=())
    prepared = experiment.prepare(settings)
    rates = [trial.recipe.learning_rate / settings.learning_rate for trial in prepared.trials]
    assert rates == pytest.approx([0.5, 4.0, 1.0])
    assert prepared.trial(width=2).build(0).alpha == 2
    assert experiment.sizes["paper"].initialisation == "repository"


def test_a_sheet_has_a_tile_for_every_drawing():
    experiment, settings = smoke(kernels=())
    sheet = glyph_sheet(experiment.prepare(settings).data, clutter=False, classes=3, drawings=2)
    assert sheet.sizes == {"y": 2 * 16, "x": 3 * 16}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"widths": (4, 4)}, InvalidArgument, "must not repeat"),
        ({"ways": 11}, InvalidArgument, "ways must be <= train_classes and test_classes; got 11"),
        ({"test_queries": 12}, InvalidArgument, "drawings must be >= shots"),
        ({"kernels": ("relu_nkt",)}, UnknownName, "did you mean 'relu_ntk'"),
        ({"initialisation": "repositry"}, UnknownName, "did you mean 'repository'"),
        ({"clutter": -1.0}, InvalidArgument, "clutter must be a number >= 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        smoke(**options)
