"""Arguments that every face takes: refused by each in the same words."""

import math
import warnings

import numpy as np
import pytest
import torch
from solvers.toys import DOUBLE
from torch.utils._pytree import tree_leaves

from limitlab.errors import InvalidArgument
from limitlab.solvers import BrownianPath, ToleranceBelowRoundOff, solve_cde, solve_ode, solve_sde
from limitlab.solvers.methods.catalogue import METHODS
from limitlab.spaces import control_path


def ordinary(**options):
    return solve_ode(lambda t, y: -y, torch.ones(2, 2, dtype=DOUBLE), [0.0, 1.0], **options)


def stochastic(**options):
    y0 = torch.ones(2, 2, dtype=DOUBLE)
    return solve_sde(lambda t, y: -y, lambda t, y: 0.1 * y, y0, [0.0, 1.0], seed=0, method="milstein", **options)


def controlled(**options):
    path = control_path([0.0, 1.0], torch.zeros(2, 2, 1, dtype=DOUBLE))
    return solve_cde(lambda s, z: z[..., None].expand(-1, -1, 2), torch.ones(2, 2, dtype=DOUBLE), path, **options)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"rtol": -1.0}, "rtol must be a number >= 0 <= 1; got -1.0"),
        ({"atol": "small"}, "atol must be a number >= 1e-300; got 'small'"),
        ({"control": "pdi"}, "unknown control 'pdi'; did you mean 'pi"),
        ({"max_steps": 0}, "max_steps must be a whole number >= 1; got 0"),
        ({"step_size": 0.0}, "step_size must be a number >= 1e-300; got 0.0"),
        ({"first_step": -0.1}, "first_step must be a number >= 1e-300; got -0.1"),
        ({"max_step": 0.0}, "max_step must be a number >= 1e-300; got 0.0"),
        ({"max_step": "short"}, "max_step must be a number >= 1e-300; got 'short'"),
        ({"max_step": 0.1, "step_size": 0.1}, "give one of step_size, for uniform steps, and max_step, for steps"),
        ({"gradient": "adjiont"}, "unknown gradient 'adjiont'; did you mean 'adjoint'"),
        ({"on_failure": "masks"}, "unknown on_failure 'masks'; did you mean 'mask'"),
    ],
)
def test_every_face_refuses_in_the_same_words(option, message):
    words = []
    for face in (ordinary, stochastic, controlled):
        with pytest.raises(InvalidArgument) as refused:
            face(**option)
        words.append(str(refused.value))
    assert words[0].startswith(message)
    assert words[1:] == words[:-1]


def test_every_face_logs_the_first_step_that_it_is_told_to_take():
    for face in (ordinary, stochastic, controlled):
        assert face(first_step=0.01).log.size[:, 0].tolist() == [0.01, 0.01]


def test_every_face_takes_no_step_longer_than_it_is_told():
    for face in (ordinary, stochastic, controlled):
        assert float(face(max_step=0.01).log.size.nan_to_num(0.0).max()) <= 0.01 * (1 + 1e-8)


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ([1.7e9, 1.7e9 + 3, 1.7e9 + 2], "1700000000, 1700000003, 1700000002 of torch.float64"),
        (torch.tensor([1.7e9, 1.7e9 + 3]), r"1.7e\+09, 1.7e\+09 of torch.float32"),
    ],
)
def test_times_that_do_not_increase_are_shown_with_the_digits_to_see_it(times, shown):
    with pytest.raises(InvalidArgument, match=f"t must be finite and strictly increasing.* got {shown}"):
        solve_ode(lambda t, y: -y, torch.ones(1, 1), times)


def spring(state):
    """x' = v, v' = -x from (1, 0), whose x is cos t, in a state of any structure."""
    x = torch.ones(2, 3, dtype=DOUBLE)
    return solve_ode(state[1], state[0](x, 0 * x), [0.0, 1.0]).y


ORDERS = {
    "keys in another order": (lambda x, v: {"x": x, "v": v}, lambda t, s: {"v": -s["x"], "x": s["v"]}),
    "an order that changes": (
        lambda x, v: {"x": x, "v": v},
        lambda t, s: dict(sorted({"x": s["v"], "v": -s["x"]}.items(), reverse=bool(t[0] > 0.5))),
    ),
    "a list for a tuple": (lambda x, v: (x, v), lambda t, s: [s[1], -s[0]]),
    "a tuple for a list": (lambda x, v: [x, v], lambda t, s: (s[1], -s[0])),
    "both, inside of each other": (
        lambda x, v: {"a": (x,), "b": {"c": v}},
        lambda t, s: {"b": {"c": -s["a"][0]}, "a": [s["b"]["c"]]},
    ),
}


@pytest.mark.parametrize("state", ORDERS.values(), ids=ORDERS)
def test_a_field_may_return_its_parts_in_any_order_of_keys_and_lists_for_tuples(state):
    x = tree_leaves(spring(state))[0]
    torch.testing.assert_close(x[:, -1], torch.full((2, 3), math.cos(1.0), dtype=DOUBLE), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("slope", "message"),
    [
        (lambda t, s: {"x": s["v"]}, r"it must have the keys \['x', 'v'\]; \['v'\] missing"),
        (lambda t, s: {"x": s["v"], "V": s["x"]}, r"\['v'\] missing, \['V'\] unknown"),
        (lambda t, s: {**s, "w": s["x"]}, r"\['w'\] unknown"),
        (lambda t, s: (s["v"], s["x"]), r"it must be a dict with the keys \['x', 'v'\]; got tuple"),
        (lambda t, s: s["v"], "got Tensor"),
    ],
)
def test_missing_and_unknown_parts_of_a_slope_are_named(slope, message):
    with pytest.raises(InvalidArgument, match=f"field must return the structure of the state: .*{message}"):
        spring((lambda x, v: {"x": x, "v": v}, slope))


def test_a_slope_of_another_length_or_structure_is_refused_by_name():
    with pytest.raises(InvalidArgument, match="it must be a tuple of 2; got list of 1"):
        spring((lambda x, v: (x, v), lambda t, s: [s[1]]))
    with pytest.raises(InvalidArgument, match="must return the shape of the state"):
        spring((lambda x, v: x, lambda t, s: {"x": s}))


def test_numbers_of_numpy_and_torch_are_taken_as_those_of_python():
    as_numbers = {"rtol": 1e-4, "atol": 1e-6, "max_steps": 1000, "first_step": 0.125}
    as_arrays = {
        "rtol": np.float64(1e-4),
        "atol": torch.tensor(1e-6, dtype=DOUBLE),
        "max_steps": np.int64(1000),
        "first_step": np.array(0.125),
    }
    for solve in (ordinary, controlled):
        assert torch.equal(solve(**as_arrays).y, solve(**as_numbers).y)


HALVES = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", HALVES)
def test_a_half_precision_state_is_solved_to_its_digits_or_refused(dtype):
    y0 = torch.ones(2, 2, dtype=dtype)
    coarse = {"rtol": 1e-2, "atol": 1e-3}
    stiff = [name for name, method in METHODS.items() if hasattr(method, "jacobian")]
    assert {"rodas5", "kvaerno5", "auto"} <= {*stiff}
    for method in stiff:
        with pytest.raises(InvalidArgument, match=f"y0 must be of float32 or float64 for {method!r}.*; got {dtype}"):
            solve_ode(lambda t, y: -y, y0, [0.0, 1.0], method=method, **coarse)
    for options in (coarse, {"step_size": 0.1}):
        y = solve_ode(lambda t, y: -y, y0, [0.0, 1.0], method="dopri5", **options).y
        assert y.dtype == dtype
        # a few roundings of the last place
        assert abs(float(y[0, -1, 0]) - math.exp(-1)) < 4 * torch.finfo(dtype).eps
    with pytest.raises(InvalidArgument, match=rf"rtol must be >= .* for states of {dtype}.*; got 1e-06 and 1e-09"):
        solve_ode(lambda t, y: -y, y0, [0.0, 1.0])


def test_tolerances_below_the_round_off_of_the_state_are_warned_of_alone():
    decay, single, fine = lambda t, y: -y, torch.ones(1, 1), {"rtol": 1e-9, "atol": 1e-9}
    with pytest.warns(ToleranceBelowRoundOff, match=r"rtol 1e-09 and atol 1e-09 are below .* torch.float32") as caught:
        solution = solve_ode(decay, single, [0.0, 1.0], **fine)
    # it names the caller's line
    assert caught[0].filename == __file__
    # what the warning says: half of the steps are made for the rounding
    assert int(solution.log.steps) > 2 * int(solve_ode(decay, single.double(), [0.0, 1.0], **fine).log.steps)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ToleranceBelowRoundOff)
        solve_ode(decay, single.double(), [0.0, 1.0], **fine)
        solve_ode(decay, single, [0.0, 1.0], rtol=1e-9, atol=1e-6)
        # with steps of one size no error is held against the tolerance
        solve_ode(decay, single, [0.0, 1.0], **fine, step_size=0.1)


@pytest.mark.parametrize("dtype", HALVES)
def test_noise_in_half_precision_is_refused(dtype):
    y0 = torch.ones(2, 2, dtype=dtype)
    with pytest.raises(InvalidArgument, match=f"y0 must be of float32 or float64, as the noise is; got {dtype}"):
        solve_sde(lambda t, y: -y, lambda t, y: y, y0, [0.0, 1.0], seed=0, step_size=0.1)
    with pytest.raises(InvalidArgument, match=f"dtype of noise must be float32 or float64.*; got {dtype}"):
        BrownianPath(0, (2, 2), (0.0, 1.0), dtype=dtype).increment(0.0, 1.0)


def test_a_quarter_precision_state_is_refused():
    y0 = torch.ones(2, 2).to(torch.float8_e5m2)
    with pytest.raises(InvalidArgument, match="y0 must be of float64, float32, float16 or bfloat16"):
        solve_ode(lambda t, y: y, y0, [0.0, 1.0], step_size=0.1)
