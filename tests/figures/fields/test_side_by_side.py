import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.figures import side_by_side
from limitlab.labels import labelled

TRUTH = torch.linspace(-1, 1, 16)[:, None] * torch.linspace(0, 2, 16)


def sample(error, truth=TRUTH):
    return labelled(
        input=("x y", truth.abs(), "source"),
        target=("x y", truth, "pressure", "kPa"),
        prediction=("x y", truth + error, "pressure", "kPa"),
    )


def profile(error):
    return sample(error).isel(y=-1, drop=True)


def trace(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_predictions_share_one_scale_and_errors_another():
    figure = side_by_side({"one": sample(0.5), "two": sample(-0.25)})
    assert np.allclose(trace(figure, "error of one").z, 0.5, atol=1e-6)
    assert np.allclose(trace(figure, "error of two").z, -0.25, atol=1e-6)
    assert trace(figure, "one").coloraxis == trace(figure, "two").coloraxis == trace(figure, "truth").coloraxis
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == pytest.approx((-2.25, 2.5))
    assert (figure.layout.coloraxis2.cmin, figure.layout.coloraxis2.cmax) == pytest.approx((-0.5, 0.5))
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["truth", "one", "two", "input", "error of one", "error of two"]


def test_profiles_share_two_panels():
    figure = side_by_side({"one": profile(0.5), "two": profile(-0.25)})
    assert {trace(figure, name).yaxis for name in ("truth", "one", "two")} == {"y2"}
    assert {trace(figure, f"error of {name}").yaxis for name in ("one", "two")} == {"y3"}
    assert figure.layout.yaxis3.range == pytest.approx((-0.525, 0.525))


def test_a_sample_without_an_input_leaves_its_place_empty():
    figure = side_by_side({"one": sample(0.5).drop_vars("input")})
    assert [trace.name for trace in figure.data] == ["truth", "one", "error of one"]
    assert [note.text for note in figure.layout.annotations] == ["truth", "one", "error of one"]


def test_samples_of_two_truths_and_none_at_all_are_refused():
    with pytest.raises(InvalidArgument, match="that of two is another"):
        side_by_side({"one": sample(0.5), "two": sample(0.5, 2 * TRUTH)})
    with pytest.raises(InvalidArgument, match="one model at least"):
        side_by_side({})
