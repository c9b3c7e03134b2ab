import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.spaces.domains import Interval, adaptive

CANDIDATES = Interval(0, 1).sample(4000, how="grid")


def test_points_are_drawn_by_the_power_of_the_residual_plus_a_constant():
    """Few of many candidates, so that drawing none twice changes no share: 1/4 and 3/4 of the mean square, plus 0.5."""
    residual = torch.where(CANDIDATES[:, 0] < 0.5, 1.0, 3**0.5)
    shares = [(adaptive(CANDIDATES, residual, 100, k=2, c=0.5, seed=seed) < 0.5).double().mean() for seed in range(40)]
    # weights 0.5 + 0.5 and 1.5 + 0.5
    assert float(torch.stack(shares).mean()) == pytest.approx(1 / 3, abs=0.025)


def test_no_candidate_comes_twice_and_the_seed_decides():
    residual = CANDIDATES[:, 0] ** 3
    chosen = adaptive(CANDIDATES, residual, 500, seed=1)
    assert len(chosen.unique(dim=0)) == 500
    assert torch.equal(chosen, adaptive(CANDIDATES, residual, 500, seed=1))
    assert not torch.equal(chosen, adaptive(CANDIDATES, residual, 500, seed=2))


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_scale_of_the_residual_does_not_matter(scale):
    residual = (CANDIDATES[:, 0] - 0.3).abs()
    ours = adaptive(CANDIDATES, scale * residual, 50, k=3)
    torch.testing.assert_close(ours, adaptive(CANDIDATES, residual, 50, k=3))


def test_no_residual_draws_evenly():
    chosen = adaptive(CANDIDATES, torch.zeros(4000), 2000)
    assert float(chosen.mean()) == pytest.approx(0.5, abs=0.02)


def test_residuals_of_several_equations_count_by_their_norm():
    residual = torch.stack([CANDIDATES[:, 0], CANDIDATES[:, 0] ** 2], 1)
    assert torch.equal(adaptive(CANDIDATES, residual, 30), adaptive(CANDIDATES, residual.norm(dim=1), 30))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((CANDIDATES, torch.ones(5), 3), {}, "a row for each of 4000 points"),
        ((CANDIDATES, torch.ones(4000), 5000), {}, "n must be"),
        ((CANDIDATES, torch.full((4000,), torch.nan), 3), {}, "that of point 0 is not"),
        ((CANDIDATES, torch.ones(4000), 3), {"k": -1}, "k must be"),
        ((CANDIDATES, (CANDIDATES[:, 0] > 0.999).double(), 10), {"c": 0}, "c must be positive"),
        ((CANDIDATES[:, 0], torch.ones(4000), 3), {}, "points must be"),
    ],
)
def test_bad_arguments_are_refused(arguments, options, message):
    with pytest.raises(InvalidArgument, match=message):
        adaptive(*arguments, **options)
