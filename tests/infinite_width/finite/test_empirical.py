"""The tangent kernel of finite networks: three implementations, their options, and what each refuses."""

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import (
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    LayerNorm,
    Network,
    chain,
    empirical_ntk,
    mlp,
    residual,
)
from limitlab.infinite_width.finite.factors import Factor, contract
from limitlab.infinite_width.finite.proof import SlowerMethod

DENSE = Dense(2.0, 0.1)
METHODS = ("structured", "jacobian", "ntvp")


class Recurrent(nn.Module):
    """One layer called three times, another with a weight that it shares with the readout."""

    def __init__(self):
        super().__init__()
        self.step, self.mix, self.readout = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 2)
        self.readout.weight = self.mix.weight

    def forward(self, x):
        for _ in range(3):
            x = torch.tanh(self.step(x))
        return self.mix(torch.sin(x)) + self.readout(x)


def torch_network():
    """Layers of torch: a stride, groups (no rule), batch norm in eval mode (no rule), tokens as positions."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1),
        nn.Tanh(),
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 4, 3, groups=2, padding="same", padding_mode="circular"),
        nn.Linear(2, 5),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(60, 2),
    )


def networks():
    torch.manual_seed(0)
    conv = Conv(2.0, 0.1, 3, "periodic")
    return {
        "mlp": (Network(mlp(2, "relu", 2.0, 0.1), 4, 16, 3), (4,)),
        "residual": (Network(chain(DENSE, residual("erf", DENSE), LayerNorm(), "tanh", DENSE), 4, 12, 2), (4,)),
        "flatten": (Network(chain(conv, "relu", Conv(1.0), "erf", Flatten(), DENSE), (3, 5, 4), 6, 2), (3, 5, 4)),
        "pool": (Network(chain(Conv(2.0, 0.1), "erf", conv, "relu", GlobalPool(), DENSE), (3, 6), 6, 2), (3, 6)),
        "torch": (torch_network().double().eval(), (3, 5, 4)),
        "recurrent": (Recurrent().double(), (4,)),
    }


NETWORKS = networks()


def data(shape, count, seed=0):
    return torch.randn(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_hand(network, x, y):
    """Gradients of every output at every point, one by one, and their inner products."""
    parameters = [p for p in network.parameters() if p.requires_grad]

    def gradient(output):
        return torch.cat([g.flatten() for g in torch.autograd.grad(output, parameters, retain_graph=True)])

    def rows(points):
        return torch.stack([torch.stack([gradient(f) for f in network(p[None])[0].unbind()]) for p in points])

    return torch.einsum("nop,mqp->nmoq", rows(x), rows(y))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NETWORKS)
def test_implementations_agree_with_gradients_taken_one_by_one(name, method):
    """To 1e-10 relative, within one set of points and between two, whatever the chunk."""
    network, shape = NETWORKS[name]
    x, y = data(shape, 4), data(shape, 3, seed=1)
    for other, chunk in ((None, None), (None, 3), (y, 2)):
        expected = by_hand(network, x, x if other is None else other)
        kernel = empirical_ntk(network, x, other, method=method, chunk=chunk)
        assert (kernel - expected).abs().max() < 1e-10 * expected.abs().max()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["mlp", "flatten", "torch"])
def test_diagonal_and_trace_are_those_of_the_full_kernel(name, method):
    network, shape = NETWORKS[name]
    x = data(shape, 5)
    diagonal = empirical_ntk(network, x).diagonal(dim1=2, dim2=3)
    options = {"method": method, "chunk": 2}
    assert (empirical_ntk(network, x, outputs="diagonal", **options) - diagonal).abs().max() < 1e-10
    assert (empirical_ntk(network, x, outputs="trace", **options) - diagonal.mean(-1)).abs().max() < 1e-10


@pytest.mark.parametrize("method", METHODS)
def test_probes_estimate_the_trace_without_bias(method):
    """The mean over 40 seeds of the estimate from 4 probes lies within 4 standard errors, entry by entry."""
    network, shape = NETWORKS["mlp"]
    x = data(shape, 3)
    exact = empirical_ntk(network, x, outputs="trace")
    draws = torch.stack(
        [empirical_ntk(network, x, outputs="trace", method=method, probes=4, seed=s) for s in range(40)]
    )
    assert ((draws.mean(0) - exact).abs() < 4 * draws.std(0) / 40**0.5).all()
    assert draws.std(0).max() > 0


def test_kernel_is_symmetric_and_positive_semidefinite():
    network, shape = NETWORKS["mlp"]
    kernel = empirical_ntk(network, data(shape, 20))
    matrix = kernel.permute(0, 2, 1, 3).reshape(60, 60)
    eigenvalues = torch.linalg.eigvalsh(matrix)
    assert (matrix - matrix.T).abs().max() < 1e-12 * eigenvalues[-1]
    assert eigenvalues[0] > -1e-10 * eigenvalues[-1]


def test_frozen_parameters_do_not_count():
    """With the readout alone trained, the kernel is the covariance of the last features."""
    network = Network(mlp(1, "erf", 2.0), 4, 16)
    network.body.requires_grad_(False)
    x = data((4,), 5)
    features = network.body(x)
    for method in METHODS:
        kernel = empirical_ntk(network, x, method=method)[..., 0, 0]
        assert (kernel - 2 * features @ features.T / 16).abs().max() < 1e-12


def test_sum_over_positions_first_is_the_same_kernel():
    generator = torch.Generator().manual_seed(0)
    inputs, deltas = (torch.randn(*s, dtype=torch.float64, generator=generator) for s in ((4, 3, 9), (4, 2, 5, 9)))
    factor = Factor(inputs, deltas, 0.7, 0.3)
    summed = factor.cheapest()
    assert summed.inputs is None
    for outputs in ("full", "trace", "diagonal"):
        expected = contract([factor], [factor], outputs)
        assert (contract([summed], [summed], outputs) - expected).abs().max() < 1e-12 * expected.abs().max()


def test_float32_network_has_a_float32_kernel():
    network, x = Network(mlp(1), 4, 16, dtype=torch.float32), data((4,), 3).float()
    kernel = empirical_ntk(network, x)
    assert kernel.dtype == torch.float32
    assert (kernel - empirical_ntk(network.double(), x.double())).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("layer", "reason"), [(nn.Dropout(0.5), "chance"), (nn.BatchNorm1d(4), "its batch")], ids=["dropout", "batch norm"]
)
def test_training_mode_that_couples_samples_is_refused(layer, reason):
    network = nn.Sequential(layer, nn.Linear(4, 1))
    with pytest.raises(InvalidArgument, match=f"eval mode: 0 .* depend on {reason}"):
        empirical_ntk(network, torch.ones(2, 4))
    assert empirical_ntk(network.eval(), torch.ones(2, 4)).shape == (2, 2, 1, 1)


class Tied(nn.Module):
    """The decoder uses the encoder's weight, transposed, in no call of the encoder."""

    def __init__(self):
        super().__init__()
        self.encoder, self.readout = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.readout(torch.tanh(torch.tanh(self.encoder(x)) @ self.encoder.weight))


def hooked():
    network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    network[0].register_forward_hook(lambda module, inputs, output: 3 * output.sin())
    return network


def unruly():
    """Networks for which no layer's rule can be taken for granted."""
    torch.manual_seed(0)
    inplace = nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))
    with torch.no_grad():
        # all units active: the gradients are right by chance, the inputs of the rule are not
        inplace[0].bias += 9.0
    return {
        "in place": nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 2)),
        "in place, active": inplace,
        "tied": Tied(),
        "hook": hooked(),
        "prelu": nn.Sequential(nn.Linear(4, 4), nn.PReLU(), nn.Linear(4, 2)),
        "weight norm": nn.Sequential(
            nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Tanh(), nn.Linear(3, 2)
        ),
        "compiled": torch.compile(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), backend="eager"),
    }


@pytest.mark.filterwarnings("ignore::limitlab.infinite_width.finite.proof.SlowerMethod")
@pytest.mark.parametrize("method", ["structured", "jacobian"])
@pytest.mark.parametrize("name", unruly())
def test_no_assumption_about_the_layers_is_taken_on_trust(name, method):
    network = unruly()[name].double()
    x = data((4,), 3)
    expected = by_hand(network, x, x)
    assert (empirical_ntk(network, x, method=method) - expected).abs().max() < 1e-10 * expected.abs().max()


def test_rule_that_does_not_hold_is_named():
    with pytest.warns(SlowerMethod, match="does not hold for 'encoder' in this network"):
        empirical_ntk(Tied(), torch.ones(2, 4))


def test_kernel_does_not_depend_on_the_mode_of_the_caller():
    network, shape = NETWORKS["mlp"]
    x = data(shape, 3)
    expected = empirical_ntk(network, x)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(empirical_ntk(network, x + 0.0), expected)


def test_points_are_widened_to_the_network_and_never_rounded():
    network, x = Network(mlp(1), 4, 16), data((4,), 3).float()
    assert torch.equal(empirical_ntk(network, x), empirical_ntk(network, x.double()))
    with pytest.raises(InvalidArgument, match="x2 must have the dtype of the network"):
        empirical_ntk(network.float(), x, x.double())


class Centred(nn.Module):
    """Subtracts the mean of the batch."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x):
        return self.layer(x - x.mean(0))


def test_network_whose_samples_see_each_other_is_refused():
    with pytest.raises(InvalidArgument, match="network must map every point by itself"):
        empirical_ntk(Centred(), data((4,), 3).float())


MLP, X = NETWORKS["mlp"][0], torch.ones(2, 4, dtype=torch.float64)
BAD_CALLS = {
    "unknown method of empirical_ntk 'structred'; did you mean 'structured'": lambda: empirical_ntk(
        MLP, X, method="structred"
    ),
    "unknown outputs of empirical_ntk 'tracce'; did you mean 'trace'": lambda: empirical_ntk(MLP, X, outputs="tracce"),
    "probes estimate the trace only": lambda: empirical_ntk(MLP, X, probes=3),
    "probes must be a whole number >= 1": lambda: empirical_ntk(MLP, X, outputs="trace", probes=0),
    "chunk must be a whole number >= 1": lambda: empirical_ntk(MLP, X, chunk=0),
    "x1 and x2 must hold a point": lambda: empirical_ntk(MLP, X[:0]),
    "at least one trained parameter": lambda: empirical_ntk(nn.Tanh(), X),
    r"it gives \(1, 4, 4\)": lambda: empirical_ntk(nn.Conv1d(4, 4, 1), torch.ones(1, 4, 4)),
    "a kernel between 2 and 2 points with 9 entries a pair needs": lambda: empirical_ntk(MLP, X, memory_limit=100),
    "a kernel between 100000 and 100000 points with 9 entries a pair needs 671 GiB": lambda: empirical_ntk(
        MLP, X[:1].expand(10**5, 4)
    ),
}


@pytest.mark.parametrize("message", BAD_CALLS)
def test_bad_input_is_named(message):
    with pytest.raises(InvalidArgument, match=message):
        BAD_CALLS[message]()
