import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.figures.widths.embeddings import principal_plane

NAMES = ["width-16", "width-4", "infinite", "ntk"]


def metrics(seeds=2):
    values = np.array([[0.9, 0.94], [0.3, 0.32], [1.0, 1.0], [0.01, 0.03]])[:, :seeds]
    return xr.Dataset(
        {"accuracy": (("model", "seed"), values, {"long_name": "analogies solved", "units": "1"})},
        coords={
            "model": NAMES,
            "seed": range(seeds),
            "width": ("model", [16, 4, np.inf, np.inf], {"long_name": "width", "units": "1"}),
        },
    )


def embeddings(models=("ntk", "infinite"), noise=0.01):
    """Vectors a_i + b_j with a little noise; those of the first model have the other dimensions NaN."""
    draws = np.random.default_rng(0)
    i, j = (axis.ravel() for axis in np.indices((3, 2)))
    vectors = np.concatenate([np.eye(3)[i], np.eye(2)[j]], axis=1) + noise * draws.normal(size=(len(models), 6, 5))
    vectors[0, :, 3:] = np.nan
    return xr.Dataset(
        {"embedding": (("model", "word", "dimension"), vectors), "i": ("word", i), "j": ("word", j)},
        coords={"model": list(models), "word": [f"w{a},{b}" for a, b in zip(i, j, strict=True)]},
    )


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_widths_are_in_order_with_the_range_over_seeds():
    line = named(figures.accuracy_against_width(metrics()), "finite width")
    assert list(line.x) == [4, 16]
    np.testing.assert_allclose(line.y, [0.31, 0.92], rtol=1e-6)
    np.testing.assert_allclose(line.error_y.array, [0.01, 0.02], atol=1e-6)


def test_limits_are_levels_the_first_one_dashed():
    figure = figures.accuracy_against_width(metrics())
    infinite, kernel = named(figure, "infinite"), named(figure, "ntk")
    assert (infinite.line.dash, kernel.line.dash) == ("dash", "dot")
    assert infinite.line.color != kernel.line.color
    np.testing.assert_allclose(infinite.y, [1, 1])
    np.testing.assert_allclose(kernel.y, [0.02, 0.02], rtol=1e-6)
    assert [t.name for t in figure.data if "range" in t.name] == ["ntk, range over seeds"]


def test_axes_are_named_and_ticks_are_the_widths():
    figure = figures.accuracy_against_width(metrics(), chance=0.004, title="Words")
    assert figure.layout.xaxis.type == "log"
    assert list(figure.layout.xaxis.ticktext) == ["4", "16"]
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("width", "analogies solved")
    np.testing.assert_allclose(named(figure, "chance").y, 0.004)
    assert figures.accuracy_against_width(metrics(), log=True).layout.yaxis.type == "log"


def test_accuracy_needs_no_seeds_and_averages_other_dims():
    values = metrics().mean("seed", keep_attrs=True)
    np.testing.assert_allclose(figures.accuracy_against_width(values).data[0].y, [0.31, 0.92], rtol=1e-6)
    tasks = metrics()["accuracy"] + xr.DataArray([-0.1, 0.1], dims="task")
    line = figures.accuracy_against_width(tasks.to_dataset(name="accuracy")).data[0]
    np.testing.assert_allclose(line.y, [0.31, 0.92], rtol=1e-6)


def test_a_map_has_a_panel_a_model_and_a_marker_a_factor():
    figure = figures.embedding_map(embeddings())
    clouds = [trace for trace in figure.data if trace.x[0] is not None]
    assert len(clouds) == 2 * 2
    assert {trace.marker.symbol for trace in clouds} == {"circle", "square"}
    for trace in clouds:
        j = trace.name[-1]
        assert all(word.endswith(f",{j}") for word in trace.text)
        assert [f"w{i},{j}" for i in trace.marker.color] == list(trace.text)
    assert [note.text.split("<br>")[0] for note in figure.layout.annotations] == ["ntk", "infinite"]
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == ["j = 0", "j = 1"]


def test_connected_words_of_one_factor_make_polygons_of_one_shape():
    figure = figures.embedding_map(embeddings(noise=0.0).sel(model="infinite"), connect=True)
    first, second = (trace for trace in figure.data if trace.x[0] is not None)
    assert list(first.text) == ["w0,0", "w1,0", "w2,0", "w0,0"]
    assert list(second.marker.color) == [0, 1, 2, 0]
    np.testing.assert_allclose(np.diff(first.x), np.diff(second.x), atol=1e-6)
    np.testing.assert_allclose(np.diff(first.y), np.diff(second.y), atol=1e-6)


def test_the_plane_of_a_factorial_embedding_is_a_parallelogram():
    i, j = (axis.ravel() for axis in np.indices((2, 2)))
    vectors = np.concatenate([2 * np.eye(2)[i], np.eye(2)[j]], axis=1)
    points, share = principal_plane(vectors)
    assert share == pytest.approx(1)
    np.testing.assert_allclose(points[3], points[1] + points[2] - points[0], atol=1e-6)
    assert (points**2).sum(axis=1).mean() == pytest.approx(1)


def test_the_plane_does_not_depend_on_rotations_of_the_vectors():
    vectors = np.random.default_rng(0).normal(size=(20, 4)) * [5, 3, 1, 0.5]
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))
    np.testing.assert_allclose(principal_plane(vectors)[0], principal_plane(vectors @ rotation)[0], atol=1e-5)


def test_one_dimension_and_equal_vectors_are_no_error():
    points, share = principal_plane(np.arange(4.0)[:, None])
    np.testing.assert_allclose(points[:, 1], 0)
    assert share == pytest.approx(1)
    assert np.isfinite(principal_plane(np.ones((3, 2)))[0]).all()


def test_a_single_model_needs_no_dim_model():
    assert figures.embedding_map(embeddings().sel(model="infinite")).layout.xaxis.title.text == "first component"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.accuracy_against_width(metrics().drop_vars("width")), "need `width` along the dim model"),
        (lambda: figures.accuracy_against_width(metrics().isel(model=[2, 3])), "needs a model of finite width"),
        (lambda: figures.accuracy_against_width(metrics()["accuracy"]), "needs an xarray.Dataset"),
        (lambda: figures.embedding_map(embeddings().isel(word=[0])), "needs two vectors or more"),
        (lambda: figures.embedding_map(embeddings().rename(word="term")), "needs the dims"),
        (lambda: principal_plane(np.full((4, 2), np.nan)), "a dimension without NaN"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()


def test_missing_factors_are_named():
    with pytest.raises(UnknownName, match="unknown variable 'i'"):
        figures.embedding_map(embeddings().drop_vars("i"))
