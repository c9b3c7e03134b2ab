"""Networks of the dynamics: clocks, seeds, sizes, the gate of the noise."""

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.stable_sde import CLASSES, Architecture, Dynamics, Kind
from limitlab.neural_des.stable_sde.dynamics import CLOCKS


def test_clocks_read_what_they_say():
    t = torch.tensor([[0.0], [2.0]])
    assert CLOCKS["time"]()(t).equal(t)
    assert torch.allclose(CLOCKS["periodic"]()(t), torch.stack([t.sin(), t.cos()], -1)[:, 0])
    saturating = CLOCKS["saturating"]()
    assert torch.allclose(saturating(t), 1 - (-torch.log1p(torch.tensor(1.0).exp()) * t).exp())
    assert saturating(torch.tensor([[1e6]])) == 1


def test_the_noise_of_lnsde_stays_what_it_is_on_a_long_horizon():
    lnsde = Dynamics("lnsde", 3, Architecture(width=4))
    late, later = (lnsde.diffusion(torch.full((2, 1), t), torch.ones(2, 4)) for t in (1e3, 1e6))
    assert torch.allclose(late, later)


def test_gamma_of_lsde_has_no_explicit_time():
    lsde, z, x = Dynamics("lsde", 3, Architecture(width=4)), torch.randn(2, 4), torch.randn(2, 3)
    assert lsde.drift(torch.zeros(2, 1), z, x).equal(lsde.drift(torch.ones(2, 1), z, x))


@pytest.mark.parametrize("kind", CLASSES)
def test_the_seed_alone_decides_the_weights(kind):
    state = torch.random.get_rng_state()
    first, second, other = (Dynamics(kind, 3, Architecture(width=4), seed=seed) for seed in (3, 3, 4))
    assert torch.random.get_rng_state().equal(state)
    assert all(a.equal(b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not first.start.weight.equal(other.start.weight)


def test_noise_scales_the_diffusion():
    z, t = torch.randn(2, 4), torch.full((2, 1), 0.5)
    quiet, loud = (Dynamics("lnsde", 3, Architecture(width=4, noise=noise)).diffusion(t, z) for noise in (0.0, 2.0))
    assert (quiet == 0).all()
    assert torch.allclose(loud, 2 * Dynamics("lnsde", 3, Architecture(width=4)).diffusion(t, z))


def test_times_of_their_own_give_what_a_shared_time_gives():
    z, model = torch.randn(3, 4), Dynamics("lsde", 3, Architecture(width=4))
    shared, own = torch.full((1, 1), 0.4).expand(3, 1), torch.full((3, 1), 0.4)
    assert torch.allclose(model.diffusion(shared, z), model.diffusion(own, z))
    assert not torch.allclose(model.diffusion(torch.tensor([[0.4], [0.4], [0.9]]), z)[2], model.diffusion(own, z)[2])


def test_larger_sigma_networks_show_in_the_count_of_parameters():
    """Classes of equal width are not of equal size: NN(t, z) is larger than NN(t)."""
    count = {kind: sum(p.numel() for p in Dynamics(kind, 3, Architecture(width=8)).parameters()) for kind in CLASSES}
    assert count["naive_control"] > count["lnsde"] > count["lsde"]


def test_sizes_that_make_no_sense_are_refused():
    for sizes in ({"width": 0}, {"depth": 0}, {"noise": -1.0}):
        with pytest.raises(InvalidArgument, match=next(iter(sizes))):
            Architecture(**sizes)
    with pytest.raises(UnknownName, match="coefficient"):
        Architecture(bound="coeficient")
    with pytest.raises(UnknownName, match="drift"):
        Dynamics(Kind("none", "nothing", "zero"), 3)
