"""What a width study measures: the law of the limit, a fresh network, and the same after training."""

import numpy as np
import pytest
import torch
import xarray as xr

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import (
    Linearized,
    WidthStudy,
    circle_regression,
    decay_fit,
    descend,
    empirical_ntk,
    kernels,
    mlp,
    slope,
)

ARCHITECTURE = mlp(2, "relu", 2.0, 0.01)
TASK = circle_regression(12, 16)
STEPS = 60


@pytest.fixture(scope="module")
def study():
    return WidthStudy(ARCHITECTURE, TASK.x, TASK.y, TASK.x_test, steps=STEPS, records=16)


@pytest.fixture(scope="module")
def trained(study):
    """A network of width 32 after gradient descent."""
    network = study.network(32, 2)
    list(descend(network, TASK.x, TASK.y[:, None], rate=study.rate, steps=STEPS))
    return network


@pytest.fixture(scope="module")
def compared(study, trained):
    return study.compare(trained, study.network(32, 2))


def test_the_rate_is_one_over_the_largest_eigenvalue_and_records_reach_from_start_to_end(study):
    largest = float(torch.linalg.eigvalsh(kernels(ARCHITECTURE, TASK.x).ntk)[-1])
    assert study.rate == pytest.approx(1 / largest)
    assert study.steps[[0, -1]].tolist() == [0, STEPS]


def test_the_limit_starts_as_the_gaussian_process_and_follows_its_eigenvalues(study):
    """Mean 0 and the NNGP's deviation at the start; eigenvalues are those of the kernel, descending."""
    limit, both = study.limit(), kernels(ARCHITECTURE, TASK.x_test)
    assert float(abs(limit["mean"].isel(step=0)).max()) == 0
    np.testing.assert_allclose(limit["std"].isel(step=0), both.nngp.diagonal().sqrt(), rtol=1e-10)
    eigenvalues = torch.linalg.eigvalsh(kernels(ARCHITECTURE, TASK.x).ntk).flip(0)
    np.testing.assert_allclose(limit["eigenvalue"], eigenvalues, rtol=1e-9)


def test_the_linearised_outputs_are_those_of_a_twin_that_is_trained(study, compared):
    """Gradient descent on the weights of the first-order expansion: to 1e-9."""
    twin = Linearized(study.network(32, 2))
    list(descend(twin, TASK.x, TASK.y[:, None], rate=study.rate, steps=STEPS))
    with torch.no_grad():
        np.testing.assert_allclose(compared["linearized"], twin(TASK.x_test)[:, 0], atol=1e-9)


def test_a_comparison_measures_the_kernel_before_and_after(study, trained, compared):
    before = empirical_ntk(study.network(32, 2), TASK.x, outputs="trace", method="jacobian")
    after = empirical_ntk(trained, TASK.x, outputs="trace", method="jacobian")
    limit = kernels(ARCHITECTURE, TASK.x).ntk
    assert float(compared["drift"]) == pytest.approx(float((after - before).norm() / before.norm()), rel=1e-8)
    assert float(compared["kernel_error"]) == pytest.approx(float((before - limit).norm() / limit.norm()), rel=1e-8)
    np.testing.assert_allclose(compared["eigenvalue_start"], torch.linalg.eigvalsh(before).flip(0), rtol=1e-8)


def test_distance_is_to_gradient_descent_on_outputs_from_the_network_s_start(study, trained, compared):
    """f <- f - eta K (f - y) from f_0, written out."""
    fresh, kernel = study.network(32, 2), kernels(ARCHITECTURE, torch.cat([TASK.x, TASK.x_test])).ntk[:, :12]
    with torch.no_grad():
        outputs = torch.cat([fresh(TASK.x), fresh(TASK.x_test)])[:, 0]
        for _ in range(STEPS):
            outputs = outputs - study.rate * kernel @ (outputs[:12] - TASK.y)
        distance = (trained(TASK.x_test)[:, 0] - outputs[12:]).square().mean().sqrt()
    assert float(compared["distance"]) == pytest.approx(float(distance), abs=1e-9)


def test_a_fresh_network_has_gone_nowhere(study):
    """Before its first step a network is its twin, and its residual at the start is what is left."""
    still = WidthStudy(ARCHITECTURE, TASK.x, TASK.y, TASK.x_test, steps=1, rate=0.0)
    compared = still.compare(still.network(32, 2), still.network(32, 2))
    for name in ("drift", "deviation", "deviation_train", "distance"):
        assert float(compared[name]) < 1e-12
    residual = (still.network(32, 2)(TASK.x)[:, 0] - TASK.y).detach().norm()
    assert float((compared["residual_start"] ** 2).sum()) ** 0.5 == pytest.approx(float(residual))


def test_every_variable_says_what_it_is(study, compared):
    for dataset in (study.limit(), compared):
        assert all("units" in dataset[name].attrs and "long_name" in dataset[name].attrs for name in dataset.variables)
    assert compared.attrs == {"rate": study.rate, "steps": STEPS}


def test_the_decay_fit_of_modes_on_their_lines_is_one_and_falls_off_them():
    steps, eigenvalues, rate = np.array([0, 1, 2, 4, 8, 16]), np.array([1.0, 0.5]), 0.2
    exact = np.abs(1 - rate * eigenvalues) ** steps[:, None]

    def runs(residual):
        return xr.Dataset(
            {"residual": (("step", "mode"), residual), "eigenvalue_start": ("mode", eigenvalues)},
            coords={"step": steps},
            attrs={"rate": rate},
        )

    assert float(decay_fit(runs(exact))) == pytest.approx(1.0)
    assert float(decay_fit(runs(exact * (1 + 0.5 * (steps[:, None] % 4 == 2))))) < 0.99


def test_slope_is_an_exponent():
    assert slope([1, 10, 100], [3, 0.3, 0.03]) == pytest.approx(-1)


BAD_CALLS = {
    "width must be a whole number >= 1; got 0": lambda study: study.network(0, 0),
    r"y must have shape \(12,\)": lambda study: WidthStudy(ARCHITECTURE, TASK.x, TASK.y[:, None], TASK.x),
    "records must be a whole number >= 2": lambda study: WidthStudy(ARCHITECTURE, TASK.x, TASK.y, TASK.x, records=1),
    "slope needs two widths or more": lambda study: slope([1], [2]),
}


@pytest.mark.parametrize("message", BAD_CALLS)
def test_bad_input_is_named(study, message):
    with pytest.raises(InvalidArgument, match=message):
        BAD_CALLS[message](study)
