"""The weight at which the misfit is the noise."""

import pytest

from limitlab.discovery.pinn.discrepancy import DiscrepancyNotMet, discrepancy
from limitlab.errors import InvalidArgument


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("variance", [0.05, 1.0, 30.0])
def test_misfit_comes_to_the_variance_within_a_fifth(power, variance):
    found = discrepancy(lambda weight: weight**power, variance, trials=12)
    assert found.misfit == pytest.approx(variance, rel=0.2)
    assert found.weight == pytest.approx(variance ** (1 / power), rel=0.5)
    assert found.tried[-1] == (found.weight, found.misfit)


def test_misfit_that_never_comes_there_is_said():
    with pytest.warns(DiscrepancyNotMet, match="at best"):
        found = discrepancy(lambda weight: 5.0 + weight * 1e-6, 1.0, trials=4)
    assert len(found.tried) == 4


@pytest.mark.parametrize("arguments", [{"variance": 0.0}, {"variance": 1.0, "low": 2.0, "high": 1.0}])
def test_bad_arguments_are_named(arguments):
    with pytest.raises(InvalidArgument):
        discrepancy(lambda weight: weight, **arguments)
