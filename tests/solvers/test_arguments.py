"""Arguments that every face takes: refused by each in the same words."""

import pytest
import torch
from solvers.toys import DOUBLE

from limitlab.errors import InvalidArgument
from limitlab.solvers import solve_cde, solve_ode, solve_sde
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
