"""First-order MAML, its tasks and its kernel limits; the generated glyphs that it learns."""

import math

import pytest
import torch
from torch.nn import functional

from limitlab.data.sources.glyphs import PEN, POINTS, _rendered
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.infinite_width import (
    Glyphs,
    KernelMachine,
    LinearLimit,
    LinearNetwork,
    TaskBatches,
    adapted_accuracy,
    first_order_maml,
    glyphs,
    kernel_features,
    kernels,
    mlp,
)
from limitlab.infinite_width.few_shot import Hyperparameters, repository_hyperparameters
from limitlab.training import descent, fit

WAYS, CLASSES, DRAWINGS, D = 3, 8, 6, 5
POINTS_OF_CLASSES = torch.randn(CLASSES, DRAWINGS, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
POOL = POINTS_OF_CLASSES.flatten(0, 1)


def tasks(table, **options):
    return TaskBatches(table, **{"tasks": 4, "ways": WAYS, "shots": 2, "queries": 3, **options})


def meta_trained(model, table, steps=10, rate=0.4, inner=0.4, clip=0.2):
    recipe = descent(first_order_maml(inner), tasks(table), steps, rate, clip=clip)
    for _ in fit(model, recipe, device="cpu"):
        pass
    return model


def test_gradient_is_that_of_the_query_at_adapted_weights_averaged_over_tasks():
    model, batch, rate = (
        LinearNetwork(D, WAYS, 7, bias=0.5, dtype=torch.float64),
        tasks(POINTS_OF_CLASSES).batch(2),
        0.3,
    )
    first_order_maml(rate)(model, batch)["query"].backward()
    weights = dict(model.named_parameters())
    means = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for task in range(4):

        def loss(current, part, task=task):
            outputs = torch.func.functional_call(model, current, batch[part][task])
            return functional.cross_entropy(outputs, batch[f"{part}_label"][task])

        step = torch.autograd.grad(loss(weights, "support"), list(weights.values()))
        pairs = zip(weights.items(), step, strict=True)
        adapted = {name: (weight - rate * g).detach().requires_grad_() for (name, weight), g in pairs}
        for name, g in zip(adapted, torch.autograd.grad(loss(adapted, "query"), list(adapted.values())), strict=True):
            means[name] += g / 4
    for name, weight in weights.items():
        assert torch.allclose(weight.grad, means[name], rtol=0, atol=1e-14)


def growing_support(kernel, batches, steps, rate, inner, clip):
    """Kernel gradient descent on f = sum_i c_i k(x_i, .): the list of points grows, and |f|^2 = c' K c."""
    points, coefficients, norms = [], [], []

    def values(x, extra_points=(), extra=()):
        held = [*zip(points, coefficients, strict=True), *zip(extra_points, extra, strict=True)]
        return sum((kernel(x, p[None]) * c for p, c in held), torch.zeros(len(x), WAYS, dtype=torch.float64))

    def residual(outputs, label):
        return (outputs.softmax(1) - functional.one_hot(label, WAYS)) / len(label)

    for step in range(steps):
        batch = batches.batch(step)
        new_points, new = [], []
        for task in range(len(batch["support"])):
            support, query = batch["support"][task], batch["query"][task]
            adapting = -inner * residual(values(support), batch["support_label"][task])
            outputs = values(query, support, adapting)
            new_points.extend(query)
            new.extend(residual(outputs, batch["query_label"][task]) / len(batch["support"]))
        places, c = torch.stack(new_points), torch.stack(new)
        norm = (c * (kernel(places, places) @ c)).sum().sqrt()
        norms.append(float(norm))
        points.extend(places)
        coefficients.extend(-rate * min(1.0, clip / (float(norm) + 1e-6)) * c)  # torch's guard against zero
    return values, norms


@pytest.mark.parametrize("name", ["linear_ntk", "linear_gp", "relu_ntk", "relu_gp"])
def test_sgd_on_frozen_features_is_kernel_descent_on_a_growing_list_of_points(name):
    phi = kernel_features(name, POOL, jitter=0.0 if name.startswith("linear") else 1e-12).unflatten(
        0, (CLASSES, DRAWINGS)
    )
    steps, rate, inner, clip = 4, 0.4, 0.4, 0.15
    model = meta_trained(KernelMachine(phi.shape[-1], WAYS, dtype=torch.float64), phi, steps, rate, inner, clip)

    def kernel(x, other):
        if name.startswith("linear"):
            return x @ other.T * (2 if name.endswith("ntk") else 1)
        # first-layer weights of variance 1, not 1/d, and 2 in the second layer: the kernel of inputs sqrt(2 d) as long
        both = kernels(mlp(1, "relu"), x * math.sqrt(2 * D), other * math.sqrt(2 * D))
        return both.ntk if name.endswith("ntk") else both.nngp

    values, norms = growing_support(kernel, tasks(POINTS_OF_CLASSES), steps, rate, inner, clip)
    assert max(norms) > clip
    assert torch.allclose(model(phi.flatten(0, 1)), values(POOL), rtol=0, atol=1e-8)


def test_features_have_the_kernel_of_their_network_and_relu_keeps_the_size_of_its_input():
    for name, size in (("linear_gp", 1), ("linear_ntk", 2), ("relu_gp", 1), ("relu_ntk", 2)):
        squares = kernel_features(name, POOL).square().sum(1)
        assert torch.allclose(squares, size * POOL.square().sum(1), rtol=1e-5)


def test_linear_ntk_is_that_of_the_linear_network_at_its_start():
    model = LinearLimit(D, WAYS, dtype=torch.float64)
    gradients = [
        torch.cat([g.flatten() for g in torch.autograd.grad(model(x)[0], [model.u, model.v])]) for x in POOL[:7]
    ]
    phi = kernel_features("linear_ntk", POOL[:7])
    assert torch.allclose(torch.stack(gradients) @ torch.stack(gradients).T, phi @ phi.T, rtol=0, atol=1e-12)


def test_meta_learned_networks_tend_to_the_linear_limit():
    limit = meta_trained(LinearLimit(D, WAYS, sigma_2=0.3, bias=1.0, dtype=torch.float64), POINTS_OF_CLASSES)
    errors = {}
    for width in (64, 4096):
        options = {"sigma_2": 0.3, "bias": 1.0, "dtype": torch.float64}
        networks = [LinearNetwork(D, WAYS, width, seed=seed, **options) for seed in range(4)]
        outputs = [meta_trained(network, POINTS_OF_CLASSES)(POOL) for network in networks]
        errors[width] = float(torch.stack([(out - limit(POOL)).norm() for out in outputs]).mean())
    # the root of 64 is 8
    assert 4 < errors[64] / errors[4096] < 16


def test_meta_learning_of_an_orthonormal_network_is_that_of_the_limit_with_joint_clipping():
    network = LinearNetwork(D, WAYS, D + WAYS, bias=1.0, dtype=torch.float64)
    basis = torch.linalg.qr(torch.randn(D + WAYS, D + WAYS, dtype=torch.float64))[0]
    network.u.data, network.v.data = basis[:, :D].clone(), basis[:, D:].T.clone()
    limit = LinearLimit(D, WAYS, bias=1.0, dtype=torch.float64)
    one, other = (meta_trained(model, POINTS_OF_CLASSES, clip=0.05) for model in (network, limit))
    assert torch.allclose(one(POOL), other(POOL), rtol=0, atol=1e-12)


def test_adaptation_solves_separable_tasks_and_no_step_is_chance():
    separate = 3 * torch.eye(CLASSES)[:, None].expand(-1, DRAWINGS, -1).contiguous()
    model = KernelMachine(CLASSES, WAYS)
    batch = tasks(separate, tasks=120).batch(0)
    assert torch.equal(adapted_accuracy(model, batch, steps=5), torch.ones(120))
    assert torch.allclose(adapted_accuracy(model, batch, steps=0), torch.full((120,), 1 / WAYS))


def test_tasks_are_a_pure_function_of_seed_and_step():
    one = tasks(POINTS_OF_CLASSES, seed=1)
    first = one.batch(7)
    one.batch(3)
    assert all(torch.equal(first[name], one.batch(7)[name]) for name in first)
    assert not torch.equal(first["query"], one.batch(8)["query"])
    assert not torch.equal(first["query"], tasks(POINTS_OF_CLASSES, seed=2).batch(7)["query"])


def test_tasks_have_distinct_classes_and_queries_that_are_not_in_the_support():
    numbered = torch.arange(CLASSES * DRAWINGS, dtype=torch.float64).reshape(CLASSES, DRAWINGS, 1)
    batch = tasks(numbered, tasks=200).batch(0)
    support, query = (batch[part][..., 0].long() for part in ("support", "query"))
    everything = torch.cat([support, query], 1).sort(1).values
    assert bool((everything.diff(dim=1) > 0).all())
    for part, values in (("support", support), ("query", query)):
        classes = values // DRAWINGS
        label = batch[f"{part}_label"]
        by_label = torch.stack([classes[label == k].reshape(200, -1) for k in range(WAYS)], 1)
        assert bool((by_label == by_label[..., :1]).all())
    # every class is as often each label
    assert torch.bincount(support[:, 0] // DRAWINGS, minlength=CLASSES).min() > 10


def test_repository_hyperparameters_are_those_of_the_nearest_width():
    assert repository_hyperparameters(math.inf) == repository_hyperparameters(8192) == Hyperparameters()
    assert repository_hyperparameters(2) == Hyperparameters(0.5, 0.5, 2.0, 0.5)
    assert repository_hyperparameters(40) == repository_hyperparameters(32)


@pytest.fixture(scope="module")
def drawn() -> Glyphs:
    return glyphs(20, 5, drawings=10, seed=3)


def test_a_pixel_is_dark_near_the_nearest_point_of_a_stroke():
    strokes = torch.rand(2, 3, 3, 2, generator=torch.Generator().manual_seed(1))
    image = _rendered(strokes, 9).reshape(2, 9, 9)
    t = torch.linspace(0, 1, POINTS)[:, None]
    for drawing in range(2):
        curves = [(1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c for a, b, c in strokes[drawing]]
        for y, x in ((0, 0), (3, 5), (8, 2)):
            middle = torch.tensor([(x + 0.5) / 9, (y + 0.5) / 9])
            square = min(float((curve - middle).square().sum(1).min()) for curve in curves)
            assert float(image[drawing, y, x]) == pytest.approx(math.exp(-square / (2 * PEN**2)), abs=1e-4)


def test_training_drawings_are_centred_and_clutter_is_most_of_them(drawn):
    assert float(drawn.train.mean((0, 1)).abs().max()) < 1e-6
    assert torch.allclose(drawn.patterns.norm(dim=1), torch.ones(15))
    clean = (drawn.clean_train - drawn.clean_train.mean((0, 1))).square().sum(-1).mean()
    whole = drawn.train.square().sum(-1).mean() * 4
    # 15 directions of variance 2.5^2 each
    assert float(whole - clean) == pytest.approx(15 * 2.5**2, rel=0.15)


def test_drawings_of_a_class_are_more_alike_than_drawings_of_two(drawn):
    within = drawn.clean_train.var(1).sum(-1).mean()
    between = drawn.clean_train.flatten(0, 1).var(0).sum()
    assert float(within) < 0.75 * float(between)


def test_glyphs_are_a_pure_function_of_their_seed(drawn):
    again = glyphs(20, 5, drawings=10, seed=3)
    assert torch.equal(again.test, drawn.test)
    assert not torch.equal(glyphs(20, 5, drawings=10, seed=4).test, drawn.test)
    assert drawn.images(drawn.test).shape == (5, 10, 14, 14)


TABLE = torch.zeros(4, 5, 2)
BAD_CALLS = {
    "ways must be <= 4, the number of classes; got 5": lambda: TaskBatches(TABLE, ways=5),
    r"shots \+ queries must be <= 5": lambda: TaskBatches(TABLE, ways=2, shots=3, queries=3),
    r"table must have shape \(class, drawing, features\)": lambda: TaskBatches(TABLE[0]),
    "tasks must be a whole number >= 1": lambda: TaskBatches(TABLE, ways=2, tasks=0, queries=2),
    "step must be a whole number >= 0": lambda: TaskBatches(TABLE, ways=2, queries=2).batch(-1),
    "runs in one process": lambda: TaskBatches(TABLE, ways=2, queries=2).shard(0, 2),
    "inner_rate must be a number >= 0": lambda: first_order_maml(-0.1),
    "steps must be a whole number >= 0": lambda: adapted_accuracy(KernelMachine(2, 2), {}, steps=-1),
    "features must be a whole number >= 1": lambda: KernelMachine(0, 2),
    "did you mean 'relu_ntk'": lambda: kernel_features("relu_nkt", POOL),
    r"points must have shape \(point, inputs\)": lambda: kernel_features("relu_gp", POOL[0]),
    "jitter must be larger": lambda: kernel_features("relu_gp", POOL[[0, 0, 0]], jitter=0.0),
    "GiB are free": lambda: kernel_features("relu_gp", POOL, memory_limit=1000),
    "width must be >= 1 or inf": lambda: repository_hyperparameters(0),
    "size must be a whole number >= 1": lambda: glyphs(2, 2, size=0),
    "clutter must be a number >= 0": lambda: glyphs(2, 2, clutter=-1.0),
}


@pytest.mark.parametrize("message", BAD_CALLS)
def test_bad_input_is_named(message):
    with pytest.raises(InvalidArgument, match=message):
        BAD_CALLS[message]()


def test_an_unknown_kernel_is_an_unknown_name():
    with pytest.raises(UnknownName):
        kernel_features("tanh_gp", POOL)
