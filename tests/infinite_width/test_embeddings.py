import math

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.infinite_width import CBOW, ContextBatches, analogy_hits, cbow_loss, factorial_corpus
from limitlab.infinite_width import embeddings as w2v
from limitlab.training import descent, fit, fixed

WORDS = 9


def random_batch(positions=6, places=4, negatives=3, seed=0):
    """Few words, so that contexts, negatives and positions repeat them; some contexts are padded."""
    generator = torch.Generator().manual_seed(seed)
    context = torch.randint(WORDS, (positions, places), generator=generator)
    inside = torch.ones(positions, places, dtype=torch.float64)
    inside[::2, -2:] = 0
    context[-1] = context[-1, 0]
    words = torch.randint(WORDS, (positions, 1 + negatives), generator=generator)
    return {"context": context * inside.long(), "weight": inside / inside.sum(1, keepdim=True), "words": words}


def random_model(dimension=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    u, v = torch.randn(2, WORDS, dimension, generator=generator, dtype=torch.float64)
    model = CBOW(u, width=dimension)
    model.v.data.copy_(v)
    return model


def trained(model, batches, steps, rate, decay=0.0):
    size = len(batches.batch(0)["words"])
    list(fit(model, descent(cbow_loss(decay), batches, steps, rate * size), device="cpu"))
    return model


def written_by_hand(u, v, batch, rate, decay=0.0):
    """One step in loops over positions and words, from the formulas of the module's docstring."""
    new_u, new_v = u.clone(), v.clone()
    for context, weight, words in zip(batch["context"], batch["weight"], batch["words"], strict=True):
        inside = context[weight > 0]
        hidden = sum(u[j] for j in inside) / len(inside)
        back = torch.zeros_like(hidden)
        for place, k in enumerate(words):
            g = float(place == 0) - torch.sigmoid(v[k] @ hidden)
            new_v[k] += rate * g * hidden
            back += g * v[k]
        for j in inside:
            new_u[j] += rate * back / len(inside)
    touched = batch["context"][batch["weight"] > 0].unique(), batch["words"].unique()
    for table, old, rows in ((new_u, u, touched[0]), (new_v, v, touched[1])):
        table[rows] -= rate * decay * old[rows]
    return new_u, new_v


@pytest.mark.parametrize("decay", [0.0, 0.7])
@pytest.mark.parametrize("sparse_from", [1, 1024])
def test_a_step_is_the_update_written_by_hand(decay, sparse_from, monkeypatch):
    monkeypatch.setattr(w2v, "SPARSE_FROM", sparse_from)
    model, batch = random_model(), random_batch()
    u, v = written_by_hand(model.u.detach(), model.v.detach(), batch, 0.3, decay)
    trained(model, fixed(**batch), 1, 0.3, decay)
    assert (model.u - u).abs().max() < 1e-12
    assert (model.v - v).abs().max() < 1e-12


def test_decay_leaves_rows_that_a_batch_does_not_touch():
    model, batch = random_model(), random_batch(positions=1)
    before = model.u.detach().clone()
    trained(model, fixed(**batch), 1, 0.3, decay=0.5)
    untouched = sorted(set(range(WORDS)) - set(batch["context"][batch["weight"] > 0].tolist()))
    assert untouched
    assert torch.equal(model.u[untouched], before[untouched])


def test_infinite_width_is_a_network_with_orthonormal_vectors():
    corpus = factorial_corpus(40, first=3, second=2, topic_words=2, fillers=4)
    words = len(corpus.words)
    batches = ContextBatches(corpus)
    limit = trained(w2v.infinite(words).double(), batches, 60, 0.3)
    rotation, _ = torch.linalg.qr(torch.randn(50, words, generator=torch.Generator().manual_seed(0)).double())
    network = trained(CBOW(rotation.T, width=50), batches, 60, 0.3)
    assert (network.u - limit.u @ rotation.T).abs().max() < 1e-12
    assert (network.v - limit.v @ rotation.T).abs().max() < 1e-12
    assert (network.v @ network.u.T - limit.v @ limit.u.T).abs().max() < 1e-12
    assert (limit.u - torch.eye(words)).abs().max() > 0.05


def test_wider_networks_come_nearer_to_the_limit():
    corpus = factorial_corpus(40, first=3, second=2, topic_words=2, fillers=4)
    batches, words = ContextBatches(corpus), len(corpus.words)

    def scores(model):
        model = trained(model.double(), batches, 15, 0.3)
        return (model.v @ model.u.T).detach()

    limit = scores(w2v.infinite(words))
    errors = [
        sum(float((scores(w2v.finite(words, width, seed)) - limit).norm() / limit.norm()) for seed in range(3))
        for width in (64, 4096)
    ]
    # the error falls like width^(-1/2): by 8, and three seeds leave some spread
    assert 4 < errors[0] / errors[1] < 16


def test_a_sample_of_the_trained_limit_has_its_scores():
    batches = ContextBatches(factorial_corpus(40))
    limit = trained(w2v.infinite(256).double(), batches, 15, 0.3)
    batch = batches.batch(20)
    with torch.no_grad():
        exact = limit(*batch.values())
        errors = [math.sqrt(n) * float((limit.sample(n)(*batch.values()) - exact).abs().mean()) for n in (256, 4096)]
    assert all(0.03 < error < 1 for error in errors)
    assert errors[1] / errors[0] == pytest.approx(1, abs=0.4)


def test_initial_vectors_have_variance_one_over_width_and_answer_nothing():
    for width in (4, 256):
        model = w2v.finite(400, width)
        # 1600 numbers or more of a uniform law: the relative error of the variance is below 0.03
        assert float(model.u.detach().var()) == pytest.approx(1 / width, rel=0.1)
        assert not model.v.any()
    assert torch.equal(w2v.infinite(7).u, torch.eye(7))


def test_the_loss_at_the_start_is_that_of_coins():
    batch = ContextBatches(factorial_corpus(40), negatives=5).batch(0)
    loss = cbow_loss()(w2v.finite(256, 8), batch)["negative_sampling"].detach()
    assert float(loss) == pytest.approx(6 * math.log(2))


@pytest.mark.parametrize("kind", ["ntk", "gp"])
def test_a_kernel_limit_learns_but_never_moves_its_features(kind):
    batches = ContextBatches(factorial_corpus(200))
    model = w2v.kernel_limit(256, kind)
    before, untrained = model.u.clone(), w2v.mean_loss(model, batches.epoch(1))
    trained(model, batches, 75, 3.0)
    assert torch.equal(model.u, before)
    assert [name for name, _ in model.named_parameters()] == ["v"]
    assert w2v.mean_loss(model, batches.epoch(1)) < untrained - 0.5
    assert torch.equal(model.sample(32, seed=5).u, w2v.kernel_limit(256, kind).sample(32, seed=5).u)


def test_a_step_of_the_ntk_limit_is_that_of_a_wide_network_in_the_ntk_parametrisation():
    batch = random_batch()
    batch["weight"] = batch["weight"].float()
    limit = trained(w2v.kernel_limit(WORDS), fixed(**batch), 1, 0.1)
    moved = limit(*batch.values()).detach()
    width, generator = 2**15, torch.Generator().manual_seed(0)
    u, v = (torch.randn(WORDS, width, generator=generator).requires_grad_() for _ in range(2))

    def scores():
        hidden = torch.einsum("bc,bcn->bn", batch["weight"], u[batch["context"]])
        return torch.einsum("bkn,bn->bk", v[batch["words"]], hidden) / math.sqrt(width)

    start = scores()
    # the limit starts at 0, so the network's own start is taken off before the loss sees it
    g = torch.zeros_like(start) - 0.5
    g[:, 0] = 0.5
    start.backward(g)
    with torch.no_grad():
        u += 0.1 * u.grad
        v += 0.1 * v.grad
        # corrections are of the order of width^(-1/2) = 0.006 of the step, with sums over repeated words
        assert (scores() - start - moved).abs().max() < 0.05 * moved.abs().max()


def test_analogies_of_a_factorial_embedding_are_all_solved():
    corpus = factorial_corpus(20)
    i, j = torch.from_numpy(corpus.factors).T
    first, second = torch.eye(12)[i], torch.eye(6)[j]
    fillers = torch.randn(256 - 72, 18, generator=torch.Generator().manual_seed(0))
    vectors = torch.cat([torch.cat([first, second], dim=1), fillers])
    assert analogy_hits(vectors, corpus.analogies()).all()
    assert analogy_hits(3 * vectors, corpus.analogies()).all()


def test_words_of_the_question_are_no_answers():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [0.0, 1.0]])
    assert analogy_hits(vectors, torch.tensor([[0, 1, 2, 3]])).tolist() == [True]


def test_analogies_of_random_vectors_are_solved_by_chance_only():
    questions = factorial_corpus(20).analogies()
    hits = analogy_hits(torch.randn(256, 64, generator=torch.Generator().manual_seed(0)), questions)
    assert float(hits.float().mean()) < 0.02


def test_the_rate_falls_linearly_to_its_floor():
    schedule = w2v.linear_decay(10_000)
    assert [schedule(0), schedule(5000)] == [1.0, 0.5]
    assert schedule(10_000) == schedule(9999) == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: w2v.finite(10, 0), "width must be a whole number >= 1"),
        (lambda: w2v.finite(1, 4), "words must be"),
        (lambda: w2v.infinite(1), "words must be"),
        (lambda: w2v.finite(10, 4).sample(5), "only a limit can be sampled; this network has width 4"),
        (lambda: w2v.infinite(4).sample(0), "width must be"),
        (lambda: cbow_loss(-1.0), "weight_decay must be"),
        (lambda: w2v.linear_decay(0), "steps must be"),
        (lambda: analogy_hits(torch.eye(4), torch.zeros(3, 3, dtype=torch.int64)), "questions must have shape"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()


def test_a_misspelt_kernel_gets_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'ntk'"):
        w2v.kernel_limit(4, "ntkk")
