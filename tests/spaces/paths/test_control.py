"""Control paths: the interpolants of peers, causality, missing values, samples with times of their own, gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.solvers import solve_cde
from limitlab.spaces import control_path

KINDS = ["linear", "rectilinear", "hermite", "natural"]
IN_TIME = ["linear", "hermite", "natural"]
NAN = float("nan")


def random_series(batch=4, count=9, channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    times = torch.rand(count, dtype=torch.float64, generator=generator).cumsum(0) + 0.1 * torch.arange(count)
    return times, torch.randn(batch, count, channels, dtype=torch.float64, generator=generator)


def with_holes(values, seed=1, share=0.5):
    """Values with about that share missing, but for the first row."""
    holes = torch.rand(values.shape, generator=torch.Generator().manual_seed(seed)) < share
    holes[:, 0] = False
    return torch.where(holes, NAN, values)


def uneven_times(batch=4, count=9, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return (0.05 + torch.rand(batch, count, dtype=torch.float64, generator=generator)).cumsum(1)


def fine(times, count=61):
    return torch.linspace(float(times[0]), float(times[-1]), count, dtype=torch.float64)


def test_natural_path_is_scipys_natural_cubic_spline():
    interpolate = pytest.importorskip("scipy.interpolate")
    times, values = random_series()
    path, s = control_path(times, values, "natural", include_time=False), fine(times)
    spline = interpolate.CubicSpline(times.numpy(), values.numpy(), axis=1, bc_type="natural")
    assert np.abs(path.evaluate(s).numpy() - spline(s.numpy())).max() < 1e-12
    assert np.abs(path.derivative(s).numpy() - spline(s.numpy(), 1)).max() < 1e-12


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("kind", IN_TIME)
def test_path_in_time_is_that_of_torchcde(kind, complete):
    torchcde = pytest.importorskip("torchcde")
    times, values = random_series()
    if not complete:
        values = with_holes(values)
    coefficients = {
        "linear": torchcde.linear_interpolation_coeffs,
        "hermite": torchcde.hermite_cubic_coefficients_with_backward_differences,
        "natural": torchcde.natural_cubic_coeffs,
    }[kind](values, times)
    spline = torchcde.LinearInterpolation if kind == "linear" else torchcde.CubicSpline
    peer, s = spline(coefficients, times), fine(times)
    path = control_path(times, values, kind, include_time=False, lengths=torch.full((4,), 9))
    assert torch.allclose(path.evaluate(s), peer.evaluate(s), rtol=0, atol=1e-12)
    # torchcde takes the slope before a kink where we take the one after it
    assert torch.allclose(path.derivative(s[1:]), peer.derivative(s[1:]), rtol=0, atol=1e-12)


def test_first_values_missing_from_a_natural_path_are_held_backwards_as_in_torchcde():
    torchcde = pytest.importorskip("torchcde")
    times, values = random_series()
    values[0, :3, 1], values[2, 7:, 0] = NAN, NAN
    peer = torchcde.CubicSpline(torchcde.natural_cubic_coeffs(values, times), times)
    path, s = control_path(times, values, "natural", include_time=False), fine(times)
    assert torch.allclose(path.evaluate(s), peer.evaluate(s), rtol=0, atol=1e-12)


def test_rectilinear_path_is_that_of_torchcde():
    torchcde = pytest.importorskip("torchcde")
    times, values = random_series()
    values = with_holes(values)
    path = control_path(times, values, "rectilinear", lengths=torch.full((4,), 9))
    with_time = torch.cat([times[None, :, None].expand(4, -1, 1), values], dim=-1)
    peer = torchcde.LinearInterpolation(torchcde.linear_interpolation_coeffs(with_time, rectilinear=0))
    s = torch.linspace(0, 16, 50, dtype=torch.float64)
    assert torch.allclose(path.evaluate(s), peer.evaluate(s), rtol=0, atol=1e-12)


def test_rectilinear_path_advances_time_then_values():
    """Three points, the second missing, by hand."""
    values = torch.tensor([[[1.0], [NAN], [3.0]]])
    path = control_path([0.0, 1.0, 4.0], values, "rectilinear")
    expected = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 1.0], [4.0, 1.0], [4.0, 3.0]])
    assert torch.equal(path.knots, torch.arange(5.0))
    assert torch.equal(path.evaluate(path.knots)[0], expected)


def test_hermite_slope_at_a_knot_is_the_backward_difference():
    times, values = random_series()
    path = control_path(times, values, "hermite", include_time=False)
    chords = values.diff(dim=1) / times.diff()[:, None]
    assert torch.allclose(path.derivative(times[1:]), chords, atol=1e-12)
    assert torch.allclose(path.derivative(times[:1]), chords[:, :1], atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_path_goes_through_its_values_and_its_time(kind):
    times, values = random_series()
    path = control_path(times, values, kind)
    at = torch.arange(0, 17, 2) if kind == "rectilinear" else times
    expected = torch.cat([times[None, :, None].expand(4, -1, 1), values], dim=-1)
    assert torch.allclose(path.evaluate(at), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_derivative_is_the_slope_of_the_path(kind):
    times, values = random_series()
    path = control_path(times, with_holes(values), kind)
    middles = (path.knots[1:] + path.knots[:-1]) / 2
    slopes = (path.evaluate(middles + 1e-5) - path.evaluate(middles - 1e-5)) / 2e-5
    assert torch.allclose(path.derivative(middles), slopes, atol=1e-7)


@pytest.mark.parametrize("kind", ["linear", "rectilinear", "hermite"])
def test_later_data_leave_the_earlier_path_as_it_is(kind):
    times, values = random_series()
    if kind == "rectilinear":
        values = with_holes(values)
        values[1, 0, 2] = NAN
    seen = 5
    changed = values.clone()
    changed[:, seen:] = 100.0
    s = torch.linspace(0, 2 * seen - 1, 40) if kind == "rectilinear" else fine(times[:seen], 40)
    before, after = control_path(times, values, kind), control_path(times, changed, kind)
    assert torch.equal(before.evaluate(s), after.evaluate(s))
    # the last of s is a knot, whose piece is the next one's
    assert torch.equal(before.derivative(s[:-1]), after.derivative(s[:-1]))


def test_later_data_change_a_natural_path_everywhere():
    times, values = random_series()
    changed = values.clone()
    changed[:, -1] = 100.0
    s = (times[:1] + times[1:2]) / 2
    difference = control_path(times, values, "natural").evaluate(s) - control_path(times, changed, "natural").evaluate(
        s
    )
    assert float(difference[..., 1:].abs().min()) > 1e-4


@pytest.mark.parametrize("kind", ["linear", "rectilinear", "hermite"])
def test_a_channel_is_what_it_is_said_to_be_before_its_first_value(kind):
    values = torch.tensor([[[NAN, 1.0], [NAN, 2.0], [5.0, 3.0]]])
    for before, expected in ((None, 0.0), (-2.0, -2.0), (torch.tensor([7.0, 8.0]), 7.0)):
        path = control_path([0.0, 1.0, 2.0], values, kind, before=before)
        assert torch.equal(path.evaluate(0.0), torch.tensor([[0.0, expected, 1.0]]))


def test_a_channel_without_any_value_is_constant_where_that_is_said():
    values = torch.full((1, 4, 1), NAN)
    for kind in KINDS:
        path = control_path(range(4), values, kind, before=3.0, lengths=[4])
        assert torch.equal(path.evaluate(torch.linspace(0, 6, 9))[..., 1], torch.full((1, 9), 3.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", ["missing rows", "repeated rows"])
def test_path_stays_after_the_last_observation_of_a_sample(kind, padding):
    times, values = random_series()
    lengths = torch.tensor([9, 4, 6, 2])
    outside = torch.arange(9) >= lengths[:, None]
    last = values.gather(1, (lengths - 1)[:, None, None].expand(-1, -1, 3))
    padded = torch.where(outside[..., None], NAN if padding == "missing rows" else last, values)
    path = control_path(times, padded, kind, lengths=None if padding == "missing rows" else lengths)
    for sample, length in enumerate(lengths.tolist()):
        alone = control_path(times[:length], values[sample : sample + 1, :length], kind)
        end = float(alone.end)
        s = torch.linspace(0.0, end, 30, dtype=torch.float64)
        assert torch.allclose(path.evaluate(s)[sample], alone.evaluate(s)[0], rtol=0, atol=1e-13)
        beyond = torch.linspace(end, float(path.end), 7, dtype=torch.float64)
        final = torch.cat([times[length - 1 : length], values[sample, length - 1]])
        assert torch.allclose(path.evaluate(beyond)[sample], final.expand(7, -1), rtol=0, atol=1e-14)
        if length < 9:
            assert not path.derivative(beyond[1:])[sample].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_does_not_depend_on_its_batch(kind):
    _, values = random_series()
    times, values = uneven_times(), with_holes(values)
    values[1, 6:], times[1, 6:] = NAN, NAN
    together = control_path(times, values, kind)
    queries = together.start[..., None] + torch.linspace(0, 4, 23, dtype=torch.float64)
    queries = queries.expand(4, -1)
    for sample in range(4):
        length = 6 if sample == 1 else 9
        alone = control_path(times[sample : sample + 1, :length], values[sample : sample + 1, :length], kind)
        assert torch.equal(together.evaluate(queries)[sample], alone.evaluate(queries[sample])[0])
        assert torch.equal(together.derivative(queries)[sample], alone.derivative(queries[sample])[0])


@pytest.mark.parametrize("kind", IN_TIME)
def test_path_through_times_of_its_own_is_that_through_the_same_times_for_all(kind):
    times, values = random_series()
    own, shared = control_path(times.expand(4, -1), values, kind), control_path(times, values, kind)
    s = fine(times)
    assert torch.equal(own.evaluate(s), shared.evaluate(s))
    assert torch.equal(own.derivative(s.expand(4, -1)), shared.derivative(s))
    assert own.start.shape == (4,)
    assert shared.start.shape == ()


def test_a_path_with_times_of_its_own_ends_with_its_sample():
    times, (_, values) = uneven_times(), random_series()
    values[2, 5:] = NAN
    path = control_path(times, values, "linear")
    assert torch.equal(path.end, torch.cat([times[:2, -1], times[2:3, 4], times[3:, -1]]))
    # at the end itself the slope is that of the last piece, beyond it there is none
    slope = (values[2, 4] - values[2, 3]) / (times[2, 4] - times[2, 3])
    assert torch.allclose(path.derivative(path.end[:, None])[2, 0, 1:], slope)
    assert not path.derivative(path.end[:, None] + 1e-9)[2].any()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_values_and_times_agree_with_finite_differences(kind):
    times, values = uneven_times(2, 5), random_series(2, 5, 2)[1]
    holes = torch.isnan(with_holes(values, share=0.3))
    queries = (times[:, 1:] + 2 * times[:, :-1]) / 3
    if kind == "rectilinear":
        queries = torch.linspace(0.3, 7.7, 7, dtype=torch.float64)

    def path_and_slope(values, times):
        path = control_path(times, torch.where(holes, NAN, values), kind, lengths=[5, 5])
        return path.evaluate(queries), path.derivative(queries)

    assert torch.autograd.gradcheck(path_and_slope, (values.requires_grad_(), times.requires_grad_()))


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_stays_single(kind):
    times, values = random_series()
    path, exact = control_path(times, values.float(), kind), control_path(times, values, kind)
    s = torch.linspace(float(path.start), float(path.end), 20, dtype=torch.float64)
    assert path.evaluate(s).dtype == path.derivative(s).dtype == torch.float32
    assert torch.allclose(path.evaluate(s).double(), exact.evaluate(s), atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(KINDS), st.booleans(), st.integers(1, 3), st.integers(2, 7), st.integers(1, 3), st.integers(0, 99)
)
def test_shapes_and_finiteness_of_any_path(kind, own, batch, count, channels, seed):
    _, values = random_series(batch, count, channels, seed)
    times = uneven_times(batch, count, seed)
    path = control_path(times if own else times[0], with_holes(values, seed), kind, lengths=[count] * batch)
    assert (path.batch, path.channels) == (batch, channels + 1)
    for s, shape in (
        (0.7, (batch, channels + 1)),
        (torch.linspace(-1, 9, 5), (batch, 5, channels + 1)),
        (torch.linspace(-1, 9, batch)[:, None], (batch, 1, channels + 1)),
    ):
        for values_there in (path.evaluate(s), path.derivative(s)):
            assert values_there.shape == shape
            assert torch.isfinite(values_there).all()


def test_repr_says_what_the_path_is():
    text = repr(control_path([0.5, 1.0, 2.0], torch.zeros(4, 3, 2), "hermite"))
    assert text == "ControlPath(hermite: 4 samples, 3 channels, 3 knots on [0.5, 2])"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": torch.zeros(4, 9)}, "values must be a floating-point tensor"),
        ({"values": torch.zeros(4, 9, 3, dtype=torch.int64)}, "values must be a floating-point tensor"),
        ({"values": torch.zeros(4, 1, 3)}, "values must hold a sample, two times"),
        ({"values": torch.full((4, 9, 3), float("inf"))}, "values must be finite"),
        ({"values": torch.full((4, 9, 3), NAN)}, "values of sample 0, channel 0 are all missing"),
        ({"times": torch.arange(8.0)}, r"times must be \(9,\) or \(4, 9\)"),
        ({"times": torch.zeros(3, 9)}, r"times must be \(9,\) or \(4, 9\)"),
        ({"times": [0, 1, 2, 3, 4, 4, 6, 7, 8]}, "times must increase .* 4 then 4 in row 5"),
        ({"times": torch.arange(9.0).flip(0)}, "times must increase"),
        ({"times": [0, 1, 2, 3, 4, NAN, 6, 7, 8]}, "times must be finite"),
        ({"before": torch.zeros(2)}, "before must be a finite number or"),
        ({"before": "mean"}, "before must be a number"),
        ({"lengths": [9, 9, 9]}, "lengths must be 4 whole numbers"),
        ({"lengths": [9, 9, 9, 0]}, "lengths must lie between 1 and the 9 rows"),
        ({"times": uneven_times(), "lengths": [9, 1, 9, 9]}, "sample 1 have one row"),
        ({"interpolation": "rectilinear", "include_time": False}, "include_time must be True"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    arguments = {"times": torch.arange(9.0), "values": random_series()[1], "interpolation": "linear", **change}
    with pytest.raises(InvalidArgument, match=message):
        control_path(**arguments)


def test_unknown_interpolation_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'hermite'"):
        control_path([0, 1], torch.zeros(1, 2, 1), "hermit")


def test_queries_of_another_batch_are_refused():
    times, values = random_series()
    with pytest.raises(InvalidArgument, match=r"s must be a number, \(query,\) or \(4, query\)"):
        control_path(times, values).evaluate(torch.zeros(3, 2))


def test_times_that_the_values_precision_moves_are_refused():
    """Of times 200 seconds apart since 1970 float32 makes intervals of 128 and 256."""
    times, values = 1.7e9 + 200.0 * np.arange(4), torch.zeros(1, 4, 1)
    with pytest.raises(InvalidArgument, match=r"times from 1700000000 to 1700000600 lie too close .* torch\.float32"):
        control_path(times, values)
    assert torch.equal(control_path(times, values.double()).knots, torch.tensor(times))
    assert control_path(2000 + 0.25 * np.arange(4), values).knots.tolist() == [2000.0, 2000.25, 2000.5, 2000.75]
    with pytest.raises(InvalidArgument, match=r"must increase \(as torch\.float32\).* 1700000000 then 1700000003"):
        control_path([1.7e9, 1.7e9 + 3], torch.zeros(1, 2, 1))


def test_times_and_queries_are_read_from_arrays_that_run_backwards():
    times, values = random_series()
    path = control_path(times, values)
    backwards = np.flip(np.asarray(times, dtype=float))
    assert torch.equal(control_path(backwards[::-1], values).knots, path.knots)
    assert torch.equal(path.evaluate(backwards), path.evaluate(torch.tensor(backwards.copy())))


def test_path_that_was_first_asked_in_inference_mode_serves_gradients():
    """z' = w z X': dz/dw = z (X(2) - X(0))."""
    path = control_path([0.0, 1.0, 2.0], torch.tensor([[[0.0], [1.0], [3.0]]]).double(), include_time=False)
    with torch.inference_mode():
        path.derivative(torch.ones(1, 1).double())
    rate = torch.ones((), dtype=torch.float64, requires_grad=True)
    end = solve_cde(lambda s, z: rate * z[..., None], torch.ones(1, 1).double(), path).y[0, -1, 0]
    (slope,) = torch.autograd.grad(end, rate)
    assert float(slope) == pytest.approx(3 * float(end), rel=1e-5)
