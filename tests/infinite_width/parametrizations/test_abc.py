import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.infinite_width import (
    ABC,
    ABCMLP,
    REGIMES,
    cross_entropy,
    digit_task,
    parametrization,
    regime_map,
)
from limitlab.training import descent, fit, fixed

WIDTHS = (64, 128, 256, 512, 1024, 2048)


def network(name, width, *, seed=0, **options):
    return ABCMLP(64, width, 10, parametrization(name, 2), base_width=64, seed=seed, **options)


@pytest.mark.parametrize(
    ("name", "hidden", "r", "regime"),
    [
        ("sp", 2, -1.0, "unstable"),
        ("sp-lazy", 2, 0.5, "kernel"),
        ("ntp", 2, 0.5, "kernel"),
        ("ntp", 5, 0.5, "kernel"),
        ("mfp", 1, 0.0, "feature"),
        ("mup", 1, 0.0, "feature"),
        ("mup", 2, 0.0, "feature"),
        ("mup", 7, 0.0, "feature"),
    ],
)
def test_presets_have_the_regimes_of_the_paper(name, hidden, r, regime):
    abc = parametrization(name, hidden)
    assert (abc.r, abc.regime) == (pytest.approx(r), regime)
    assert abc.stable == (regime != "unstable")


def test_mup_of_one_hidden_layer_is_the_mean_field_parametrisation():
    # the shift by 1/2 gives a = (0, 1), b = 0, c = -1
    assert parametrization("mup", 1).shift(0.5) == parametrization("mfp", 1)


@pytest.mark.parametrize("theta", [-0.5, 0.25, 0.5])
@pytest.mark.parametrize("name", ["sp", "ntp", "mup"])
def test_shift_leaves_r_regime_and_exponents_unchanged(name, theta):
    abc = parametrization(name, 3)
    shifted = abc.shift(theta)
    assert shifted != abc
    assert shifted.r == pytest.approx(abc.r, abs=1e-12)
    assert shifted.regime == abc.regime
    np.testing.assert_allclose(shifted.exponents(), abc.exponents(), atol=1e-12)


@pytest.mark.parametrize("theta", [-0.5, 0.25, 0.5])
def test_shift_leaves_the_trajectory_unchanged(theta):
    task = digit_task(32)
    x, y = task.images[:32].double(), task.targets[:32].double()

    recipe = descent(cross_entropy, fixed(input=x, target=y), 20, 0.5, groups=ABCMLP.groups)

    def outputs(abc):
        model = ABCMLP(64, 48, 10, abc, base_width=4, dtype=torch.float64)
        return torch.stack([model(x).detach() for _ in fit(model, recipe, device="cpu")])

    abc = parametrization("mup", 2)
    plain = outputs(abc)
    assert (plain[-1] - plain[0]).abs().max() > 0.1
    torch.testing.assert_close(outputs(abc.shift(theta)), plain, rtol=0, atol=1e-10)


def test_a_layer_is_frozen_where_its_update_is_small():
    # raising a_1 of muP from -1/2 to 0, its start kept, still learns features, but no more in the first layer
    abc = parametrization("mup", 2).with_layer(1, 0.0)
    assert abc.regime == "feature"
    assert abc.exponents() == (-1.0, 0.0, 0.0)


def test_all_parametrisations_are_one_network_at_the_base_width():
    x = digit_task().images[:8]
    reference = network("sp", 64)(x)
    for name in ("sp-lazy", "ntp", "mup"):
        assert torch.equal(network(name, 64)(x), reference)


def test_hidden_activations_start_alike_at_every_width_and_outputs_of_mup_vanish():
    x = digit_task().images[:64]
    sizes = {n: [network(name, n)(x).square().mean().item() ** 0.5 for name in ("ntp", "mup")] for n in (64, 1024)}
    assert sizes[1024][0] == pytest.approx(sizes[64][0], rel=0.5)
    assert sizes[1024][1] == pytest.approx(sizes[1024][0] / 4, rel=1e-4)  # (1024/64)^(-1/2)


@pytest.mark.parametrize(("name", "low", "high"), [("ntp", -2.0, -0.3), ("mup", -0.1, 0.2)])
def test_feature_kernel_freezes_in_the_kernel_regime_and_moves_under_mup(name, low, high):
    task = digit_task(64)
    x = task.images[:128]
    recipe = descent(cross_entropy, task.batches, 5, 0.5, groups=ABCMLP.groups)

    def kernel(model):
        with torch.no_grad():
            features = model.features(x)
        return features @ features.T / features.shape[1]

    def change(width, seed):
        model = network(name, width, seed=seed)
        start = kernel(model)
        for _ in fit(model, recipe, device="cpu"):
            pass
        return float((kernel(model) - start).norm() / start.norm())

    widths = np.array(WIDTHS)
    changes = [np.mean([change(int(n), seed) for seed in (0, 1)]) for n in widths]
    assert low <= np.polyfit(np.log(widths), np.log(changes), 1)[0] <= high


def test_map_says_of_each_point_what_the_point_says_of_itself():
    abc = parametrization("mup", 2)
    regimes = regime_map(abc, points=17)
    assert regimes["regime"].dims == ("c", "a_readout")
    for c in (-1.0, 0.0, 0.5):
        for a in (0.0, 0.25, 0.5, 1.0):
            point = abc.with_layer(3, a).with_rate(c)
            code = int(regimes["regime"].sel(c=c, a_readout=a))
            assert (REGIMES[code], float(regimes["r"].sel(c=c, a_readout=a))) == (point.regime, pytest.approx(point.r))


def test_feature_learning_and_kernels_meet_in_one_corner_of_the_plane_of_mup():
    regimes = regime_map(parametrization("mup", 2))["regime"]
    feature = regimes == REGIMES.index("feature")
    kernel = regimes == REGIMES.index("kernel")
    a, c = regimes["a_readout"], regimes["c"]
    assert bool((feature == ((c == 0) & (a >= 0.5))).all())
    assert bool((kernel == ((c > 0) & (2 * a + c == 1))).all())


def test_no_point_in_the_plane_of_sp_learns_features():
    assert not (regime_map(parametrization("sp", 2))["regime"] == REGIMES.index("feature")).any()


def test_any_two_exponents_span_a_plane():
    regimes = regime_map(parametrization("mup", 3), "1", "readout", points=5)
    assert regimes["regime"].dims == ("a_readout", "a_1")
    assert regimes["a_1"].attrs["long_name"] == "a of layer 1"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ABC((0.0, 0.5), (0.5, 0.5, 0.5), 0.0), "one length"),
        (lambda: ABC((0.0,), (0.5,), 0.0), "two numbers or more"),
        (lambda: ABC((0.0, float("nan")), (0.5, 0.5), 0.0), "entry of a must be a number"),
        (lambda: parametrization("mfp", 2), "one hidden layer"),
        (lambda: parametrization("mup", 0), "hidden must be a whole number >= 1"),
        (lambda: parametrization("mup").with_layer(4, 0.0), "layer must be"),
        (lambda: regime_map(parametrization("mup"), "c", "c"), "two exponents"),
        (lambda: regime_map(parametrization("mup"), x_range=(1.0, 0.0)), "low < high"),
        (lambda: network("mup", 0), "width must be a whole number >= 1"),
        (lambda: network("mup", 8)(torch.zeros(3, 5)), r"shape \(batch, 64\)"),
        (lambda: ABCMLP(64, 8, 10, "mup"), "abc must be an ABC"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_unknown_names_get_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'mup'"):
        parametrization("mupp")
    with pytest.raises(UnknownName, match="did you mean 'relu'"):
        network("mup", 8, activation="relux")
    with pytest.raises(UnknownName, match="did you mean 'readout'"):
        regime_map(parametrization("mup"), "readoutt")
