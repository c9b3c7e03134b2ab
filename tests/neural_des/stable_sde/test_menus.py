"""The menus: every drift combines with every diffusion, and the classes have the structure of their equations."""

import itertools

import pytest
import torch

from limitlab.errors import UnknownName
from limitlab.neural_des.stable_sde import BOUNDS, CLASSES, DIFFUSIONS, DRIFTS, Architecture, Dynamics, Kind, title_of
from limitlab.neural_des.stable_sde.menus import ROOT_FLOOR, root

T = torch.full((1, 1), 0.3, dtype=torch.float64).expand(6, 1)


def dynamics(kind, bound="coefficient", **sizes):
    return Dynamics(kind, 3, Architecture(width=5, bound=bound, **sizes), seed=1).double()


def states(scale=1.0, seed=0):
    return scale * torch.randn(6, 5, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_noise_of_lsde_does_not_see_the_state(bound):
    lsde = dynamics("lsde", bound)
    assert (lsde.diffusion(T, states(seed=1)) - lsde.diffusion(T, states(5.0, seed=2))).abs().max() == 0
    assert not lsde.diffusion(T, states()).equal(lsde.diffusion(T + 0.2, states()))


@pytest.mark.parametrize("kind", ["lnsde", "gsde"])
@pytest.mark.parametrize("bound", ["none", "coefficient"])
def test_linear_noise_is_a_factor_of_the_time_alone(kind, bound):
    model = dynamics(kind, bound)
    first, second = (model.diffusion(T, z) / z for z in (states(seed=1), states(3.0, seed=2)))
    assert (first - second).abs().max() < 1e-12


@pytest.mark.parametrize("kind", ["lnsde", "gsde"])
def test_clipped_linear_noise_is_not_linear(kind):
    model = dynamics(kind, "outer")
    small, large = (model.diffusion(T, z) / z for z in (states(1e-3, seed=1), states(30.0, seed=1)))
    assert (small - large).abs().max() > 0.05


@pytest.mark.parametrize("bound", BOUNDS)
def test_zero_is_a_rest_state_of_gsde(bound):
    model, zero = dynamics("gsde", bound), torch.zeros(6, 5).double()
    assert (model.drift(T, zero, torch.randn(6, 3).double()) == 0).all()
    assert (model.diffusion(T, zero) == 0).all()


def test_a_geometric_equation_begins_above_zero_unless_it_is_clipped():
    paths = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).double()
    assert dynamics("gsde").initial(paths).min() > 0
    assert dynamics("gsde", "none").initial(100 * paths).min() >= 1e-4
    assert dynamics("gsde", "outer").initial(paths).min() < 0


@pytest.mark.parametrize("kind", CLASSES)
def test_coefficient_bounds_hold_whatever_the_weights_are(kind):
    model, z, x = dynamics(kind), states(10.0), 100 * torch.randn(6, 3).double()
    for parameter in model.parameters():
        parameter.data *= 50
    drift, noise = model.drift(T, z, x), model.diffusion(T, z)
    scale = z.abs() if kind == "gsde" else torch.ones_like(z)
    assert (drift.abs() <= scale).all()
    assert (noise.abs() <= (z.abs() if kind in ("lnsde", "gsde") else torch.ones_like(z))).all()


def test_outer_bounds_hold_for_the_whole_fields():
    for kind in CLASSES:
        model = dynamics(kind, "outer")
        assert model.drift(T, states(1e3), 1e3 * torch.randn(6, 3).double()).abs().max() <= 1
        assert model.diffusion(T, states(1e3)).abs().max() <= 1


def test_every_drift_combines_with_every_diffusion():
    z, x = states().abs(), torch.randn(6, 3).double()
    for drift, diffusion in itertools.product(DRIFTS, DIFFUSIONS):
        model = dynamics(Kind("a pair", drift, diffusion), "none")
        f, g = model.drift(T, z, x), model.diffusion(T, z)
        assert f.shape == g.shape == z.shape
        assert model.noise_type == DIFFUSIONS[diffusion].noise
        depends = not model.diffusion(T, z + 1).equal(g)
        assert depends == (model.noise_type == "diagonal")
        # whether the path enters is what the row says
        assert model.drift(T, z, x + 1).equal(f) is not DRIFTS[drift].control


def test_the_root_has_a_finite_slope_at_zero():
    z = torch.tensor([-1.0, 0.0, ROOT_FLOOR / 2, 4.0], requires_grad=True)
    root(z).sum().backward()
    assert root(z).tolist() == [0.0, 0.0, 0.0, 2.0]
    assert z.grad.tolist() == [0.0, 0.0, 0.0, 0.25]


def test_titles_tell_the_clipped_forms_from_the_classes():
    assert [title_of("gsde", bound) for bound in BOUNDS] == ["GSDE, unbounded", "GSDE", "GSDE, clipped"]
    assert dynamics("lsde", "outer").title == "LSDE, clipped"
    with pytest.raises(UnknownName, match="outer"):
        title_of("gsde", "out")
    with pytest.raises(UnknownName, match="lsde"):
        dynamics("lsd")
