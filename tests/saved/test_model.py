"""A model that comes back from its file is the same function, whatever its class, and no file makes anything else."""

import copy
import importlib
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import limitlab as ll
from limitlab.data import ChannelStatistics
from limitlab.errors import InvalidArgument
from limitlab.operators import OPERATORS, Task
from limitlab.saved import Saved
from limitlab.spaces import Grid
from limitlab.training import runs

SETTINGS = SimpleNamespace(modes=6, width=4, layers=2, padding=0.0, norm="none", factorization="tucker", rank=0.1)


def operator(name, dtype=torch.float64):
    torch.manual_seed(0)
    targets = torch.randn(6, 1, 16, 16, dtype=torch.float64)
    statistics = ChannelStatistics.of(targets)
    task = Task(1, 1, Grid.uniform((16, 16)), (statistics, statistics), targets.mean(0), targets)
    return OPERATORS[name].build(task, SETTINGS).to(dtype).eval()


def field():
    return ll.neural_des.ode.MLPField(2, width=4)


def state(count=2):
    return torch.linspace(-1, 1, 3 * count).reshape(3, count)


TIMES = torch.linspace(0, 1, 5)
SERIES = (TIMES, torch.sin(TIMES + torch.arange(3.0)[:, None])[..., None])
NEURAL_DES = {
    "NeuralODE": lambda des: (des.ode.NeuralODE(field(), (0.0, 0.5), method="dopri5", rtol=1e-4), (state(),)),
    "AugmentedODE": lambda des: (
        des.ode.AugmentedODE(des.ode.MLPField(5, width=4), lift=des.ode.LearnedLift(2, 3)),
        (state(),),
    ),
    "HybridField": lambda des: (des.ode.HybridField("pendulum", field()), (torch.zeros(3, 1), state())),
    "HamiltonianField": lambda des: (
        des.ode.HamiltonianField(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))),
        (torch.zeros(3, 1), state()),
    ),
    "EventODE": lambda des: (
        des.ode.EventODE(des.ode.SecondOrderField(Pull()), First(), des.ode.SecondOrderField(Pull()), horizon=9.0),
        (torch.tensor([[1.0, 0.0]]),),
    ),
    "RegularizedODE": lambda des: (
        des.regularization.RegularizedODE(des.ode.NeuralODE(field()), des.regularization.Local()),
        (state(),),
    ),
    "NeuralCDE": lambda des: (des.cde.NeuralCDE(1, 2, control=des.cde.Control("hermite"), seed=3), SERIES),
    "LatentODE": lambda des: (
        des.latent.LatentODE(1, encoder=des.latent.ODERNNEncoder(1, hidden=16)),
        (TIMES.expand(3, -1), SERIES[1]),
    ),
    "NeuralSDE": lambda des: (
        des.sde.NeuralSDE(des.sde.TimeField(2, (2,)), des.sde.TimeField(2, (2, 3)), noise="general", step_size=0.1),
        (state(), [0.0, 0.5], 7),
    ),
    "StableSDE": lambda des: (
        des.stable_sde.StableSDE("gsde", 3, 2, des.stable_sde.Architecture(width=4), head="normalised", step_size=0.1),
        {"path": des.stable_sde.path_through(ll.data.damped_oscillators(6, seed=0)), "noise": 0},
    ),
    "ElementwiseODE": lambda des: (
        des.reduction.ElementwiseODE(
            nn.Linear(3, 4), des.reduction.ElementwiseField(nn.Linear(4, 4), nn.Tanh(), leak=1.0), nn.Linear(4, 2)
        ),
        (state(3),),
    ),
}
DISCOVERY = {
    "PINN": lambda pinn, v: (
        pinn.PINN(
            pinn.equations_of(ll.problems.get("logistic", span=2.0)),
            architecture=pinn.Architecture(width=4, fourier=3),
            unknown={"r": 0.4},
            weighting=pinn.Weighting(weights={"data": 10.0}),
        ),
        (torch.linspace(0, 2, 7, dtype=torch.float64)[:, None],),
    ),
    "UniversalODE": lambda pinn, v: universal(pinn),
    "UPINN": lambda pinn, v: hidden_rate(pinn),
    "HardDirichlet": lambda pinn, v: (v.HardDirichlet(v.TwoLayer(2, 8, "softplus", seed=4)), (torch.rand(4, 2),)),
    "Residual": lambda pinn, v: (v.Periodic(v.Residual(4, 8, depth=2)), (torch.rand(4, 2),)),
    "Sum": lambda pinn, v: (summed(v), (torch.rand(4, 2),)),
}
PARTS = {
    "MultigridPatched": lambda operators: operators.MultigridPatched(
        operators.FNO(2, 1, (4, 4), width=4, layers=1), operators.Patching(levels=1, positional=False, halo=0.125)
    ),
    "LordLayer": lambda operators: operators.LordLayer(1, (16, 16), kernels=operators.Kernels(rank=2)),
    "QuadraticLordNet": lambda operators: operators.QuadraticLordNet((16, 16), width=4),
    "ContinuousSineNet": lambda operators: operators.sinenet.ContinuousSineNet(
        1, 1, width=4, waves=2, wave=operators.Wave(levels=1), method="euler", step_size=0.5
    ),
    "VCycle": lambda operators: operators.VCycle(1, 1, operators.Cycle(((1, 0), (1, 1)))),
}
FAMILIES = (
    "operators", "neural_des.ode", "neural_des.cde", "neural_des.sde", "neural_des.latent", "neural_des.stable_sde",
    "neural_des.regularization", "neural_des.reduction", "discovery.pinn", "discovery.variational", "infinite_width",
)  # fmt: skip
LAYERS = {"SpectralConv", "LipSwish"}  # parts of models, which are made by them
INFINITE_WIDTH = {
    "Network": lambda wide: (
        wide.Network(wide.chain(wide.Dense(2.0), wide.activation("leaky_relu", slope=0.2), wide.Dense()), 3, 16),
        (torch.randn(4, 3).double(),),
    ),
    "convolutions": lambda wide: (
        wide.Network(wide.chain(wide.Conv(3), "relu", wide.GlobalPool(), wide.Dense()), (1, 6), 8, dtype=torch.float32),
        (torch.randn(4, 1, 6),),
    ),
    "Linearized": lambda wide: (
        wide.Linearized(wide.Network(wide.mlp(1, "erf"), inputs=2, width=8)),
        (torch.randn(4, 2).double(),),
    ),
    "ABCMLP": lambda wide: (wide.ABCMLP(6, 8, 2, wide.parametrization("mup", hidden=2)), (torch.randn(4, 6),)),
    "LinearLimit": lambda wide: (wide.LinearLimit(6, 3, bias=0.5), (torch.randn(4, 6),)),
    "KernelMachine": lambda wide: (wide.KernelMachine(6, 3), (torch.randn(4, 6),)),
}


class Pull(Saved):
    def __init__(self, strength=-9.81):
        super().__init__()
        self.strength = nn.Parameter(torch.tensor(strength))

    def forward(self, t, y):
        return self.strength.expand(len(y), 1)


class First(Saved):
    def forward(self, t, y):
        return y[:, 0]


def universal(pinn):
    problem = ll.problems.get("lotka_volterra", span=3.0)
    hidden = pinn.HiddenTerms({"x": "-beta*x*y"}, inputs=("x", "y"))
    seen = pinn.Measurements(torch.linspace(0, 3, 5).double()[None, :, None], 1 + torch.rand(1, 5, 2).double())
    model = pinn.UniversalODE(pinn.equations_of(problem), hidden, seen, seen.values[:, 0], seed=2)
    return model, (seen.points[0, :, 0],)


def hidden_rate(pinn):
    problem = ll.problems.get("logistic", span=2.0)
    seen = pinn.Measurements(torch.linspace(0, 2, 5).double()[None, :, None], 1 + torch.rand(1, 5, 1).double())
    forms = pinn.initial_value(problem, [1.0], [0.1])
    hidden = pinn.HiddenTerms({"u": None}, inputs=("u",))
    return pinn.UPINN(pinn.equations_of(problem), hidden, seen, forms, seed=0), (seen.points[0],)


def summed(v):
    total = v.Sum(2)
    total.add(v.TwoLayer(2, 8), -0.5)
    total.add(v.TwoLayer(2, 8, seed=1), -0.25)
    return total


def answer(model, inputs):
    with torch.no_grad():
        value = model(**inputs) if isinstance(inputs, dict) else model(*inputs)
    return getattr(value, "time", value)


def require_same_after_a_file(model, inputs, path):
    """Other weights than the constructor's, and the generator as it was."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + 0.1 * torch.rand(parameter.shape, dtype=torch.float64).to(parameter))
    model.eval()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    again = ll.load(model.save(path))
    assert torch.equal(torch.get_rng_state(), before)
    assert type(again) is type(model)
    assert not again.training
    assert torch.equal(answer(again, inputs), answer(model, inputs))


def test_a_model_between_statistics_of_data_is_read_without_the_data(tmp_path):
    statistics = ChannelStatistics.of(3 + 2 * torch.randn(6, 1, 8))
    model = ll.operators.Normalized(ll.operators.FNO(1, 1, (2,), width=4), statistics, statistics).eval()
    u = torch.randn(2, 1, 8)
    assert torch.equal(ll.load(model.save(tmp_path / "model.safetensors"))(u), model(u))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_in_physical_units_comes_back_bit_by_bit(name, dtype, tmp_path):
    model = ll.operators.Normalized(operator(name, dtype), (0.5, 2.0), (1.0, 3.0))
    require_same_after_a_file(model, (torch.randn(3, 1, 16, 16).to(dtype),), tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", PARTS)
def test_what_operators_are_made_from_comes_back_bit_by_bit(name, tmp_path):
    require_same_after_a_file(PARTS[name](ll.operators).double(), (torch.randn(2, 1, 16, 16).double(),), tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_model_that_a_family_shows_can_be_saved(family):
    package = importlib.import_module(f"limitlab.{family}")
    models = {name for name in package.__all__ if isinstance(getattr(package, name), type)} - LAYERS
    plain = [name for name in models if issubclass(getattr(package, name), nn.Module)]
    assert [name for name in plain if not issubclass(getattr(package, name), Saved)] == []


@pytest.mark.parametrize("seeded", ["SDEGAN", "LatentSDE"])
def test_laws_of_series_draw_the_same_after_a_file(seeded, tmp_path):
    model = getattr(ll.neural_des.sde, seeded)(1)
    assert torch.equal(ll.load(model.save(tmp_path)).sample(4, TIMES, seed=0), model.sample(4, TIMES, seed=0))


@pytest.mark.parametrize("name", NEURAL_DES)
def test_a_neural_differential_equation_comes_back_bit_by_bit(name, tmp_path):
    require_same_after_a_file(*NEURAL_DES[name](ll.neural_des), tmp_path)


@pytest.mark.parametrize("name", DISCOVERY)
def test_a_network_of_an_equation_comes_back_bit_by_bit(name, tmp_path):
    require_same_after_a_file(*DISCOVERY[name](ll.discovery.pinn, ll.discovery.variational), tmp_path)


@pytest.mark.parametrize("name", INFINITE_WIDTH)
def test_a_wide_network_comes_back_bit_by_bit(name, tmp_path):
    require_same_after_a_file(*INFINITE_WIDTH[name](ll.infinite_width), tmp_path)


def model_file(path, **changes):
    """A file of a small network, its header changed after it was written, with a checksum that fits."""
    ll.operators.UNet(1, 1, 1, width=4, levels=1).save(path)
    tensors, header = ll.saved.tensors.read_tensors(path)
    ll.saved.tensors.write_tensors(path, tensors, {**header, **changes})
    return path


def spelled(cls, /, **arguments):
    return {"class": cls, "arguments": arguments}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (spelled("os.system", command="touch hacked"), "unknown class 'os.system'"),
        (spelled("builtins.eval", source="1"), "unknown class"),
        (spelled("cli.__main__.main"), "unknown class"),
        (spelled("operators.catalogue.Path"), "unknown class"),
        (spelled("operators.catalogue.build", name="fno"), "unknown class"),
        (spelled("operators.UNett"), "did you mean 'operators.UNet'"),
        (spelled("../operators.UNet"), "unknown class"),
        (spelled("operators.row.count_parameters"), "unknown class"),
        (spelled("Stranger"), "unknown class 'Stranger'"),
        (spelled(["operators.UNet"]), "unknown class"),
        (spelled("operators.UNet", in_channels=1, out_channels=1, depth=3), "unexpected keyword argument 'depth'"),
        (spelled("operators.UNet", in_channels=1, out_channels=0), "out_channels must be"),
        (spelled("operators.UNet", in_channels=1, out_channels=1, dimension=1, width=8, levels=1), "another model"),
        (
            spelled("operators.UNet", in_channels=1, out_channels=1, dimension=1, width=9000, levels=3),
            "far more numbers",
        ),
        (spelled("operators.MgNO", in_channels=1), "missing"),
        (spelled("spaces.Axis", name="x", size=4), "holds a Axis, which is no model"),
        (spelled("operators.MeanPredictor", mean_field={"tensor": "../../secret"}), "cannot be read"),
        ({"layer": "Bilinear", "arguments": {}}, "unknown layer 'Bilinear'"),
        ({"pickle": "gASV"}, "unknown tag 'pickle'"),
        ({"same": 0}, "cannot be read"),
        ([], "'model' is a list"),
        ("operators.UNet", "'model' is a str"),
        (None, "weights alone"),
    ],
)
def test_a_hostile_or_mistaken_header_makes_nothing(model, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = model_file(tmp_path / "model.safetensors", model=model)
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        ll.load(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_lists_within_lists_end_in_a_refusal(tmp_path):
    nested = []
    for _ in range(200):
        nested = [nested]
    model = spelled("operators.UNet", in_channels=nested)
    with pytest.raises(InvalidArgument, match="nested deeper than 64"):
        ll.load(model_file(tmp_path / "deep.safetensors", model=model))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"saved": 2, "limitlab": "9.0"}, "written by limitlab 9.0"),
        ({"frozen": "all"}, "'frozen' is a str"),
        ({"aside": None}, "'aside' is a NoneType"),
        ({"aside": ["entry.weight"]}, "belongs to another model"),
    ],
)
def test_a_header_of_another_version_or_form_is_refused(change, message, tmp_path):
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        ll.load(model_file(tmp_path / "model.safetensors", **change))


def test_damaged_foreign_and_missing_files_are_refused_by_name(tmp_path):
    path = model_file(tmp_path / "model.safetensors")
    content = path.read_bytes()
    (tmp_path / "short.safetensors").write_bytes(content[:-100])
    (tmp_path / "flipped.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    save_file({"weight": torch.ones(2)}, tmp_path / "foreign.safetensors")
    torch.save(nn.Linear(2, 2), tmp_path / "pickled.safetensors")
    (tmp_path / "empty.safetensors").touch()
    for name in ("short", "flipped", "foreign", "pickled", "empty"):
        with pytest.raises(InvalidArgument, match=f"{name}.safetensors is damaged"):
            ll.load(tmp_path / f"{name}.safetensors")
    with pytest.raises(InvalidArgument, match=r"no such file: .*absent"):
        ll.load(tmp_path / "absent.safetensors")
    with pytest.raises(InvalidArgument, match=r"must end in .safetensors"):
        ll.load(tmp_path / "model.pt")


def test_a_pickle_under_our_name_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InvalidArgument, match="damaged or no file of ours"):
        ll.load(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_what_no_file_can_hold_is_refused_before_anything_is_written(tmp_path):
    flow = ll.neural_des.ode.NeuralODE(lambda t, y: -y)
    with pytest.raises(InvalidArgument, match=r"field of NeuralODE is a function.*ll.saved.Saved.*weights_only=True"):
        flow.save(tmp_path / "flow.safetensors")

    class Plain(nn.Module):
        def forward(self, t, y):
            return -y

    with pytest.raises(InvalidArgument, match="field of NeuralODE is a Plain, whose arguments are not known"):
        ll.neural_des.ode.NeuralODE(Plain()).save(tmp_path / "flow.safetensors")
    soft = ll.infinite_width.from_function(lambda u: u / (1 + u.abs()), "softsign")
    with pytest.raises(InvalidArgument, match="softsign"):
        ll.infinite_width.Network(ll.infinite_width.mlp(1, soft), 2, 4).save(tmp_path)
    changed = ll.operators.UNet(1, 1, 1, width=4)
    changed.exit = nn.Conv1d(4, 2, 1)
    with pytest.raises(InvalidArgument, match=r"UNet was changed after it was made: 'exit\.bias'"):
        changed.save(tmp_path)
    assert not any(tmp_path.iterdir())


def test_what_a_hook_changes_is_refused_unless_the_class_makes_it(tmp_path):
    """muP divides what a readout is given: a network brought to it afterwards is not what its file would be."""
    standard = ll.infinite_width.standard_network
    plain = ll.infinite_width.mup_init(standard(32), standard(8), standard(16))
    with pytest.raises(
        InvalidArgument, match=r"Sequential was changed after it was made: 'output' has a hook, _Divide"
    ):
        ll.saved.save(plain, tmp_path)
    model, x = ll.infinite_width.digit_networks("mup", base_width=8)[0](32, 0), torch.randn(5, 64)
    assert torch.equal(model(x), plain(x))
    assert torch.equal(ll.load(ll.saved.save(model, tmp_path))(x), model(x))


def test_a_run_keeps_the_weights_alone_of_a_model_with_a_hook(tmp_path):
    run = runs.create(tmp_path / "run", {}, "")
    standard = ll.infinite_width.standard_network
    run.write_model(ll.infinite_width.mup_init(standard(32), standard(8), standard(16)))
    assert ll.saved.about(tmp_path / "run").name is None


def test_weights_alone_go_into_a_model_of_the_same_shape_only(tmp_path):
    flow = ll.neural_des.ode.AugmentedODE(nn.Sequential(nn.Linear(2, 2)), lift=nn.Linear(1, 2))
    path = ll.saved.save(flow, tmp_path / "weights.safetensors", weights_only=True)
    with pytest.raises(InvalidArgument, match="holds weights alone"):
        ll.load(path)
    other = ll.neural_des.ode.AugmentedODE(nn.Sequential(nn.Linear(2, 2)), lift=nn.Linear(1, 2))
    assert ll.load(path, into=other) is other
    assert torch.equal(other.lift.weight, flow.lift.weight)
    with pytest.raises(InvalidArgument, match="another model"):
        ll.load(path, into=nn.Linear(1, 2))


def test_a_file_of_earlier_versions_holds_weights_alone(tmp_path):
    layer, other = nn.Linear(2, 1), nn.Linear(2, 1)
    ll.saved.tensors.write_tensors(tmp_path / "model.safetensors", layer.state_dict(), {})
    with pytest.raises(InvalidArgument, match="holds weights alone"):
        ll.load(tmp_path)
    assert torch.equal(ll.load(tmp_path, into=other).weight, layer.weight)


def test_weights_of_a_whole_file_go_into_a_model_too(tmp_path):
    mean = operator("mean")
    path = mean.save(tmp_path)
    other = ll.operators.MeanPredictor(torch.zeros(1, 16, 16, dtype=torch.float64))
    assert torch.equal(ll.load(path, into=other).mean_field, mean.mean_field)


def test_others_read_the_weights_by_the_names_of_torch(tmp_path):
    model = operator("fno")
    state = load_file(model.save(tmp_path / "fno.safetensors"))
    assert {name: tensor.shape for name, tensor in state.items()} == {n: t.shape for n, t in model.state_dict().items()}


def test_what_was_frozen_stays_frozen(tmp_path):
    model = ll.operators.UNet(1, 1, 1, width=4)
    model.entry.requires_grad_(False)
    again = ll.load(model.save(tmp_path))
    trained = {name for name, parameter in again.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in model.named_parameters() if not name.startswith("entry.")}


def test_a_module_in_two_places_stays_one(tmp_path):
    shared = ll.neural_des.sde.TimeField(2, (2,))
    again = ll.load(ll.neural_des.sde.NeuralSDE(shared, shared, step_size=0.1).save(tmp_path))
    assert again.drift is again.diffusion


def test_a_chain_for_a_finer_grid_comes_back(tmp_path):
    coarse = ll.operators.SineNet(1, 1, 1, waves=1, width=4, wave=ll.operators.Wave(levels=1))
    finer, u = coarse.dilated(2), torch.randn(2, 1, 32)
    again = ll.load(finer.save(tmp_path))
    assert torch.equal(again(u), finer(u))
    assert not torch.equal(coarse(u), finer(u))


def test_a_file_names_problem_arguments_and_version(tmp_path):
    model = ll.operators.FNO(1, 1, (4,), width=4)
    path = model.save(tmp_path / "fno.safetensors", problem=ll.problems.get("burgers", nu=0.02))
    about = ll.saved.about(path)
    assert about.name == "operators.FNO"
    assert about.problem == ll.problems.get("burgers", nu=0.02)
    assert about.arguments["modes"] == {"tuple": [4]}
    assert about.parameters == ll.operators.count_parameters(model)
    assert about.version == ll.__version__
    assert "problem" in repr(about)


def test_equations_come_back_with_what_was_changed_in_them(tmp_path):
    pinn = ll.discovery.pinn
    binding = pinn.equations_of(ll.problems.parse("a' = -5*a*b + c; b' = -5*a*b + c; c' = 5*a*b - c"))
    model = pinn.PINN(binding.summed({"a": ("c",)}).without({"c": "-c"}), architecture=pinn.Architecture(width=4))
    assert ll.load(model.save(tmp_path)).equations == model.equations


def test_another_process_reads_the_file_without_data(tmp_path):
    model, u = operator("pod_deeponet", torch.float32), torch.ones(1, 1, 16, 16)
    path = model.save(tmp_path / "pod.safetensors")
    script = (
        f"import limitlab as ll, torch; print(ll.load({str(path)!r})(torch.ones(1, 1, 16, 16)).double().sum().item())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) == model(u).double().sum().item()


def test_a_copy_is_saved_as_the_model_is(tmp_path):
    model = copy.deepcopy(operator("unet"))
    assert ll.load(model.save(tmp_path)).arguments == model.arguments


def test_a_run_gives_its_models_back_where_files_can_name_their_class(tmp_path):
    run = runs.create(tmp_path / "run", {}, "darcy_fno")
    model = operator("fno")
    run.child("fno/seed-0").write_model(model)
    run.child("plain").write_model(nn.Bilinear(2, 2, 1))
    u = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    assert torch.equal(ll.load(run.child("fno/seed-0").folder)(u), model(u))
    with pytest.raises(InvalidArgument, match="holds weights alone"):
        ll.load(tmp_path / "run" / "plain")
    with pytest.raises(InvalidArgument, match="it holds models in fno/seed-0, plain"):
        ll.load(tmp_path / "run")


def test_a_class_beside_the_mixin_of_the_hub_goes_through_its_doors(tmp_path):
    hub = pytest.importorskip("huggingface_hub")

    class Shared(ll.operators.FNO, hub.ModelHubMixin):
        """Ours, and the hub's."""

    model, u = Shared(1, 1, (4,), width=4), torch.randn(2, 1, 16)
    model.save_pretrained(tmp_path / "shared")
    assert torch.equal(Shared.from_pretrained(tmp_path / "shared")(u), model(u))
    assert torch.equal(ll.load(tmp_path / "shared")(u), model(u))
    ll.operators.UNet(1, 1, 1, width=4).save(tmp_path / "other")
    with pytest.raises(InvalidArgument, match="holds a UNet"):
        Shared.from_pretrained(tmp_path / "other")


def test_a_notebook_shows_arguments_and_numbers_of_a_model():
    page = ll.operators.Normalized(ll.operators.UNet(1, 1, 1, width=4), (0.0, 1.0), (0.0, 2.0))._repr_html_()
    for piece in ("Normalized", "UNet(...)", "(0.0, 2.0)", "16,549, float32, on cpu"):
        assert piece in page


def test_a_model_between_statistics_of_data_is_stored_whole(tmp_path):
    u = torch.randn(6, 1, 16, 16, dtype=torch.float64)
    statistics = ChannelStatistics.of(3 + 2 * u)
    model = ll.operators.Normalized(operator("fno"), statistics, statistics).eval()
    again = ll.load(model.save(tmp_path))
    assert torch.equal(again(u), model(u))
    assert torch.equal(again.input_mean, statistics.mean)
