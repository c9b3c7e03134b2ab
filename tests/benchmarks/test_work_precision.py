"""What the work-precision benchmark compares: one field for all contestants, and times read off at one error."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("diffrax")
pytest.importorskip("torchode")
pytest.importorskip("torchdiffeq")

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parent)
    from work_precision import TASKS, compared_at, distance, error_of, jnp, seconds_at, without_nan


@pytest.mark.parametrize("make", TASKS, ids=lambda make: make.__name__)
def test_torch_numpy_and_jax_get_the_same_field(make):
    task = make()
    torchs = task.field(torch.zeros(1, 1), task.y0).numpy()
    assert np.allclose(task.flat(0.0, task.y0.numpy().ravel()), torchs.ravel(), rtol=1e-12)
    assert np.allclose(jnp.stack(task.rates(jnp, *jnp.asarray(task.y0[0].numpy()))), torchs[0], rtol=1e-12)


def test_seconds_at_an_error_are_exact_where_they_are_a_power_of_it():
    errors = [1e-2, 1e-4, 1e-6]
    seconds = tuple(e**-0.2 for e in errors)
    assert seconds_at(1e-5, errors, seconds) == pytest.approx(1e-5**-0.2)
    assert math.isnan(seconds_at(1e-7, errors, seconds))
    # the middle one gave up: its neighbours stand for it
    assert seconds_at(1e-5, [1e-2, math.nan, 1e-6], seconds) == pytest.approx(1e-5**-0.2)


def test_those_that_do_not_reach_the_error_are_not_compared():
    errors = {"ours, a": [1e-2, 1e-6], "peer": [1e-2, 1e-6], "coarse": [1e-1, 1e-3]}
    seconds = {name: [[1.0, 1.0], [4.0, 2.0]] for name in errors} | {"peer": [[2.0, 3.0], [8.0, 6.0]]}
    facts = compared_at(1e-4, errors, seconds)
    assert set(facts["wall_seconds"]) == {"ours, a", "peer"}
    assert facts["ratios"]["peer / ours, a"]["median"] == pytest.approx(2.5)  # of two and three


def test_errors_below_what_the_reference_knows_are_left_out():
    reference = np.ones((1, 3, 2))

    def gives_up(rtol):
        raise RuntimeError("too stiff")

    assert error_of(lambda rtol: reference + rtol, 1e-3, reference, 1e-9) == pytest.approx(1e-3)
    assert math.isnan(error_of(lambda rtol: reference, 1e-3, reference, 1e-9))
    assert math.isnan(error_of(gives_up, 1e-3, reference, 1e-9))
    assert without_nan({"a": [math.nan, 1.0]}) == {"a": [None, 1.0]}


def test_every_component_counts_alike():
    reference = np.stack([np.full((4, 5), 1e-5), np.ones((4, 5))], -1)
    assert distance(1.01 * reference, reference) == pytest.approx(0.01)
