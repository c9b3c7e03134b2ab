"""SDE-GANs: two gradients of opposite sign in one step, maps that stay clipped, and paths with the data's gaps."""

import pytest
import torch
from torch import nn

from limitlab import training
from limitlab.data import series
from limitlab.errors import InvalidArgument
from limitlab.neural_des.sde import SDEGAN, SeededBatches, clipped, gan_groups, gan_loss
from limitlab.neural_des.sde.adversarial import clip

TIMES = torch.linspace(0, 1, 6)


def batch_of(values, seed=0):
    return {"times": TIMES.expand(len(values), -1), "values": values, "noise_seed": seed}


def test_generator_and_discriminator_get_gradients_of_opposite_sign():
    model, real = SDEGAN(1, hidden=4, width=4).double(), torch.randn(8, 6, 1, dtype=torch.float64)
    sum(gan_loss(model, batch_of(real)).values()).backward()
    fake = model.sample(8, TIMES, 0)
    gap = model.score(TIMES, fake).mean() - model.score(TIMES, real).mean()
    for side, sign in (("generator", -1), ("discriminator", 1)):
        parameters = list(getattr(model, side).parameters())
        for parameter, slope in zip(parameters, torch.autograd.grad(gap, parameters, retain_graph=True), strict=True):
            assert torch.allclose(parameter.grad, sign * slope, atol=1e-8)


def test_maps_of_the_discriminator_stay_clipped_and_others_do_not():
    data = series(TIMES, torch.randn(32, 6, 1))
    model = SDEGAN(1, hidden=4, width=4)
    optimizer = clipped(torch.optim.RMSprop)
    batches = SeededBatches(data.batches(8))
    recipe = training.Recipe(
        gan_loss, batches, 5, 0.05, optimizer, weight_decay=0.0, schedule="constant", groups=gan_groups(1.0, 2.0)
    )
    for _ in training.fit(model, recipe, device="cpu"):
        for layer in model.discriminator.modules():
            if isinstance(layer, nn.Linear):
                assert layer.weight.abs().max() <= 1 / layer.out_features + 1e-7
    largest = [layer.weight.abs().max() * layer.out_features for layer in model.generator.modules()
               if isinstance(layer, nn.Linear)]  # fmt: skip
    assert max(largest) > 1


def test_a_clipped_map_increases_no_sum_of_absolute_values():
    map_ = nn.Linear(7, 5)
    with torch.no_grad():
        map_.weight.normal_(0, 3)
    clip(map_)
    x, y = torch.randn(2, 100, 7)
    moved = (map_(x) - map_(y)).abs().sum(-1)
    assert (moved <= (x - y).abs().sum(-1) + 1e-6).all()


def test_fake_paths_have_the_gaps_of_the_real_ones():
    model, real = SDEGAN(1, hidden=4, width=4), torch.randn(8, 6, 1)
    real[:, 3] = torch.nan
    seen = []
    model.score = lambda times, paths: seen.append(paths) or paths.nan_to_num().sum((1, 2))
    gan_loss(model, batch_of(real))
    assert seen[0].shape == (16, 6, 1)
    assert seen[0][:, 3].isnan().all()
    assert not seen[0][:, :3].isnan().any()


def test_the_penalty_is_that_of_slopes_off_one():
    model, real = SDEGAN(1, hidden=4, width=4, penalty=10.0), torch.randn(8, 6, 1)
    slope = nn.Parameter(torch.tensor(0.3))
    model.score = lambda times, paths: slope * paths.sum((1, 2))
    terms = gan_loss(model, batch_of(real))
    # the gradient of the score in a path is 0.3 in all of its six entries
    assert torch.allclose(terms["penalty"], 10 * (0.3 * torch.tensor(6.0).sqrt() - 1) ** 2, rtol=1e-5)
    terms["penalty"].backward()
    assert slope.grad != 0


def test_samples_are_those_of_the_seed_and_start_at_its_noise():
    model = SDEGAN(2, hidden=4, width=4)
    assert torch.equal(model.sample(5, TIMES, 3), model.sample(5, TIMES, 3))
    assert not torch.allclose(model.sample(5, TIMES, 3), model.sample(5, TIMES, 4))
    assert torch.allclose(model.sample(5, TIMES, 3)[:, 0], model.sample(5, TIMES[:3], 3)[:, 0])


def test_paths_of_another_shape_are_refused():
    with pytest.raises(InvalidArgument, match=r"paths must be \(batch, time, 2\)"):
        SDEGAN(2).score(TIMES, torch.zeros(3, 6, 1))
