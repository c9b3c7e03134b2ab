import json
from pathlib import Path

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.infinite_width import (
    cross_entropy,
    digit_networks,
    digit_task,
    mup_groups,
    mup_init,
    parameter_roles,
    standard_network,
)
from limitlab.training import Recipe, descent, fit

# Recorded with the package mup 1.0.0: torch.manual_seed(0), its MuReadout as the last layer of `plain(256)` below,
# set_base_shapes against widths 64 and 128, MuSGD and MuAdam with lr = weight_decay = 1. `factor` is a parameter after
# set_base_shapes over the same draw before it, `std` its standard deviation, `output` the model on linspace(-1, 1).
ORACLE = json.loads((Path(__file__).parent / "mup_oracle.json").read_text())


def plain(width):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 5))


def factors(model, groups, key):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(parameter)]: group[key] for group in groups for parameter in group["params"]}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_learning_rates_are_those_of_the_mup_package(optimizer):
    model = plain(256)
    assert factors(model, mup_groups(model, plain(64), plain(128), optimizer=optimizer), "rate") == ORACLE[optimizer]


@pytest.mark.parametrize(("optimizer", "theirs"), [("sgd", "decay_sgd"), ("adamw", "decay_adam")])
def test_weight_decay_is_that_of_the_mup_package(optimizer, theirs):
    model = plain(256)
    groups = mup_groups(model, plain(64), plain(128), optimizer=optimizer, weight_decay=1.0)
    assert factors(model, groups, "weight_decay") == ORACLE[theirs]


def test_weights_start_and_run_as_those_of_the_mup_package():
    drawn, model = plain(256), mup_init(plain(256), plain(64), plain(128))
    before = dict(drawn.named_parameters())
    for name, parameter in model.named_parameters():
        assert (parameter / before[name]).mean().item() == pytest.approx(ORACLE["factor"][name], rel=1e-6)
        assert parameter.double().std().item() == pytest.approx(ORACLE["std"][name], rel=1e-6)
    x = torch.linspace(-1, 1, 16).reshape(2, 8)
    torch.testing.assert_close(model(x), torch.tensor(ORACLE["output"]))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_mup_and_sp_train_bit_identically_at_the_base_width(optimizer):
    def trained(kind):
        make_model, groups = digit_networks(kind, base_width=64, optimizer=optimizer)
        model = make_model(64, 3)
        recipe = descent(cross_entropy, digit_task().batches, 5, 0.01, optimizer=optimizer, groups=groups)
        for _ in fit(model, recipe, device="cpu"):
            pass
        return list(model.parameters())

    assert all(torch.equal(one, other) for one, other in zip(trained("sp"), trained("mup"), strict=True))


def test_learning_rate_times_decay_does_not_depend_on_the_width():
    base, delta = standard_network(64), standard_network(128)
    for optimizer in ("adamw", "sgd"):
        for group in mup_groups(standard_network(512), base, delta, optimizer=optimizer, weight_decay=0.1):
            assert group["rate"] * group["weight_decay"] == pytest.approx(0.1)


def convolutional(width):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ConvTranspose2d(width, 2 * width, 2),
        nn.Conv2d(2 * width, 2 * width, 3, groups=2 * width),
        nn.BatchNorm2d(2 * width),
        nn.ConvTranspose2d(2 * width, 3, 1),
        nn.Flatten(),
    )


def test_roles_of_convolutions_follow_their_inputs_and_outputs():
    roles = parameter_roles(convolutional(16), convolutional(4), convolutional(8))
    assert (roles["0.weight"].kind, roles["0.weight"].outputs) == ("input", 4.0)
    assert (roles["1.weight"].kind, roles["1.weight"].inputs, roles["1.weight"].outputs) == ("hidden", 4.0, 4.0)
    assert roles["2.weight"].kind == "input"  # depthwise: each output has a fixed number of inputs
    assert roles["3.weight"].kind == "input"
    assert (roles["4.weight"].kind, roles["4.weight"].inputs) == ("output", 4.0)
    assert roles["4.bias"].kind == "finite"


class Tied(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embedding = nn.Embedding(11, width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.readout = nn.Linear(width, 11)
        self.readout.weight = self.embedding.weight

    def forward(self, tokens):
        x = self.embedding(tokens)
        return self.readout(x + self.attention(x, x, x, need_weights=False)[0])


def test_tied_embedding_keeps_its_start_and_its_readout_divides_by_the_width():
    model = Tied(32)
    start = model.embedding.weight.detach().clone()
    tokens = torch.arange(11)[None]
    before = model(tokens) - model.readout.bias
    mup_init(model, Tied(8), Tied(16))
    assert torch.equal(model.embedding.weight, start)
    torch.testing.assert_close(model(tokens) - model.readout.bias, before / 4)
    groups = mup_groups(model, Tied(8), Tied(16))
    assert factors(model, groups, "rate")["attention.in_proj_weight"] == 0.25


def test_base_shapes_need_no_memory():
    with torch.device("meta"):
        base, delta = plain(64), plain(128)
    model = plain(256)
    assert factors(model, mup_groups(model, base, delta), "rate") == ORACLE["adam"]


def test_zero_readout_gives_zero_and_learns():
    make_model, groups = digit_networks("mup")
    model = mup_init(standard_network(128), standard_network(64), standard_network(128), zero_readout=True)
    task = digit_task()
    assert not model(task.images[:4]).any()
    recipe = Recipe(cross_entropy, task.batches, steps=20, learning_rate=0.01, schedule="constant", groups=groups)
    losses = [float(progress.losses["cross_entropy"]) for progress in fit(model, recipe)]
    assert losses[-1] < 0.5 * losses[0]
    assert make_model(128, 0).output.weight.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mup_init(plain(8), nn.Linear(8, 8), plain(16)), "base must have the parameters of the model"),
        (lambda: mup_init(plain(8), plain(4), nn.Linear(8, 8)), "delta must have the parameters of the model"),
        (lambda: mup_init(plain(8), plain(4), plain(4)), "delta must differ from base"),
        (lambda: mup_init(plain(8), plain(4), None), "delta must be a torch.nn.Module"),
        (lambda: mup_init(mup_init(plain(8), plain(4), plain(6)), plain(4), plain(6)), "called on this model before"),
        (lambda: mup_groups(plain(8), plain(4), plain(6), weight_decay=0.1), "adam's weight decay has no muP scaling"),
        (lambda: mup_groups(plain(8), plain(4), plain(6), optimizer="sgd", weight_decay=-1), "weight_decay must be"),
        (
            lambda: parameter_roles(nn.Linear(9, 8), nn.Linear(7, 4), nn.Linear(7, 6)),
            "dimension 1 of weight is 9 in the model but 7 in both base and delta",
        ),
        (
            lambda: parameter_roles(nn.Bilinear(8, 8, 8), nn.Bilinear(4, 4, 4), nn.Bilinear(6, 6, 6)),
            "3 infinite dimensions",
        ),
        (lambda: standard_network(0), "width must be a whole number >= 1"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()


def test_unknown_names_get_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'adamw'"):
        mup_groups(plain(8), plain(4), plain(6), optimizer="adamww")
    with pytest.raises(UnknownName, match="did you mean 'mup'"):
        digit_networks("mups")
