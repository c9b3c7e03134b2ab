"""Word embeddings of several widths, of infinite width, and of the kernel limit, on one text in one order.

In the generated corpus each target word is about a pair (i, j), and every analogy w_ij : w_ij' = w_i'j : w_i'j' has a
right answer. At the course size loss and analogies improve with width and infinite width is best (at the rate that is
best for this text, 0.15, width 64 has a loss lower by 0.002); a kernel limit moves no embedding, so its analogies stay
at chance, though it is trained at a rate of its own. The paper size is the King James Bible.
Source: Yang, Hu, Feature learning in infinite-width neural networks, arXiv 2011.14522, section 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from limitlab.data.sources.corpus import TEXTS, ContextBatches, Corpus, factorial_corpus, text_corpus
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import Ensemble, OnDevice, option, sizes
from limitlab.infinite_width.embeddings import (
    CBOW,
    analogy_hits,
    cbow_loss,
    finite,
    infinite,
    kernel_limit,
    linear_decay,
    mean_loss,
)
from limitlab.labels import labelled
from limitlab.training import Recipe

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr


class Limit(NamedTuple):
    """A network without a width: how it is built for a number of words, and the setting with its learning rate."""

    build: Callable[[int], CBOW]
    rate: str


CORPORA = ("factorial", *TEXTS)
LIMITS = {
    "infinite": Limit(infinite, "learning_rate"),
    "ntk": Limit(partial(kernel_limit, kind="ntk"), "kernel_learning_rate"),
    "gp": Limit(partial(kernel_limit, kind="gp"), "kernel_learning_rate"),
}
FROZEN_WIDTH = 256
HELD_OUT_SEED = 2**32  # beyond all seeds of settings: held-out text is drawn from another stream
SMOOTHED = 60


@dataclass(frozen=True)
class Word2VecSettings(Ensemble, OnDevice):
    """The text, how it is read, and the widths; rates are those of a step on the sum over a batch."""

    corpus: str = option("factorial", "generated sentences, or real text", choices=CORPORA)
    sentences: int = option(20_000, "sentences of the generated corpus", low=20, high=10_000_000)
    most_words: int = option(4000, "words kept of a real text, the most frequent", low=10, high=200_000)
    min_count: int = option(1, "occurrences below which a word of a real text is dropped", low=1, high=1000)
    held_out: float = option(0.5, "tokens to measure the loss on, as a share of those to train on", low=0.01, high=1.0)
    window: int = option(3, "largest radius of a context", low=1, high=50)
    negatives: int = option(5, "negatives a position", low=1, high=200)
    subsample: float = option(0.0, "frequency above which tokens are dropped at random; 0 keeps all", low=0.0, high=1.0)
    batch_size: int = option(32, "positions a step", low=1, high=65_536)
    epochs: int = option(1, "passes over the text", low=1, high=1000)
    learning_rate: float = option(0.1, "rate at the start; it falls linearly", low=1e-6, high=100.0)
    kernel_learning_rate: float = option(3.0, "the same for the kernel limits", low=1e-6, high=1000.0)
    weight_decay: float = option(0.0, "decay of the rows that a batch touches", low=0.0, high=1.0)
    widths: tuple[int, ...] = option((4, 16, 64, 256), "finite widths", low=1, high=65_536)
    limits: tuple[str, ...] = option(("infinite", "ntk"), "limits beside them", choices=tuple(LIMITS))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths and not self.limits:
            raise InvalidArgument("widths and limits must not both be empty")
        if len(set(self.widths)) < len(self.widths) or len(set(self.limits)) < len(self.limits):
            raise InvalidArgument(f"widths and limits must not repeat; got {self.widths} and {self.limits}")


@dataclass(frozen=True)
class Word2VecData:
    """The text to train on, the positions to measure the loss on, and the analogies, none for real text."""

    corpus: Corpus
    held_out: dict[str, Tensor]
    questions: Int64[Tensor, "question 4"] | None


def prepare(settings: Word2VecSettings, progress: ReportProgress = False) -> Prepared[Word2VecData]:
    """One text and one order of contexts and negatives for all models."""
    train, test = _texts(settings)
    reading: dict[str, Any] = {"window": settings.window, "negatives": settings.negatives}
    batches = ContextBatches(
        train, size=settings.batch_size, subsample=settings.subsample, seed=settings.seed, **reading
    )
    held_out = ContextBatches(test, size=1, seed=settings.seed + HELD_OUT_SEED, **reading).epoch(0)
    data = Word2VecData(train, held_out, train.analogies() if len(train.factors) else None)
    words, steps = len(train.words), settings.epochs * len(batches)

    def recipe(rate: float) -> Recipe:
        return Recipe(
            cbow_loss(settings.weight_decay),
            batches,
            steps,
            # the loss is a mean over the batch, the rate that of a step on the sum
            learning_rate=rate * settings.batch_size,
            optimizer="sgd",
            weight_decay=0.0,
            schedule=linear_decay(steps),
        )

    limits = {name: LIMITS[name] for name in settings.limits}
    trials = (
        *(Trial({"width": n}, partial(finite, words, n), recipe(settings.learning_rate)) for n in settings.widths),
        *(
            Trial({"limit": name}, partial(_limit, limit, words), recipe(getattr(settings, limit.rate)))
            for name, limit in limits.items()
        ),
    )
    return Prepared(trials, partial(measure_embeddings, data), data)


def _limit(limit: Limit, words: int, seed: int) -> CBOW:
    """The limit, of which nothing is drawn."""
    return limit.build(words)


def _texts(settings: Word2VecSettings) -> tuple[Corpus, Corpus]:
    """What is trained on, and what the loss is measured on."""
    if settings.corpus != "factorial":
        whole = text_corpus(settings.corpus, most_words=settings.most_words, min_count=settings.min_count)
        # the setting is a share of what is trained on, that of `split` one of the whole
        return whole.split(settings.held_out / (1 + settings.held_out))
    count = max(2, round(settings.held_out * settings.sentences))
    return (
        factorial_corpus(settings.sentences, seed=settings.seed),
        factorial_corpus(count, seed=settings.seed + HELD_OUT_SEED),
    )


def measure_embeddings(data: Word2VecData, model: nn.Module, fresh: nn.Module) -> xr.Dataset:
    """The loss on held-out text and, where there are analogies, the share solved; `width` is a coordinate."""
    assert isinstance(model, CBOW)
    metrics = labelled(
        held_out_loss=("", mean_loss(model, data.held_out), "held-out loss"), width=("", float(model.width), "width")
    )
    if data.questions is not None:
        hits = analogy_hits(embeddings_of(model), data.questions)
        metrics = metrics.assign(labelled(accuracy=("", float(hits.float().mean()), "analogies solved")))
    return metrics.set_coords("width")


def embeddings_of(model: CBOW) -> Float[Tensor, "word dimension"]:
    """The vectors of the words; where features are frozen, those of a wide network, which keeps what it drew."""
    return model.sample(FROZEN_WIDTH).u if model.frozen else model.u.detach()


def embedding_dataset(result: Result[Word2VecSettings, Word2VecData], models: tuple[str, ...]) -> xr.Dataset:
    """The target words' unit vectors of these models (model, word, dimension), NaN beyond a model's dimensions."""
    data, seed = result.data, result.settings.seed_range[0]
    targets = len(data.corpus.factors)
    tables = [embeddings_of(cast(CBOW, result.models[name, seed])) for name in models]
    vectors = [nn.functional.normalize(table[:targets], dim=1).cpu() for table in tables]
    largest = max(table.shape[1] for table in vectors)
    padded = [nn.functional.pad(table, (0, largest - table.shape[1]), value=math.nan) for table in vectors]
    i, j = data.corpus.factors.T
    return labelled(
        embedding=("model word dimension", torch.stack(padded), "unit vectors"),
        model=("model", list(models), "model"),
        word=("word", list(data.corpus.words[:targets]), "word"),
        i=("word", i, "first factor"),
        j=("word", j, "second factor"),
    ).set_coords(["i", "j"])


def draw(result: Result[Word2VecSettings, Word2VecData]) -> dict[str, go.Figure]:
    """Training curves, held-out loss and accuracy against width, and maps of the target words."""
    from limitlab import figures

    settings, data = result.settings, result.data
    smooth = result.curves.coarsen(step=max(1, result.curves.sizes["step"] // SMOOTHED), boundary="trim").mean()
    drawn = {"training": figures.training_curves(smooth, "negative_sampling")}
    if settings.widths:
        drawn["loss"] = figures.accuracy_against_width(result.metrics, "held_out_loss")
    if data.questions is None:
        return drawn
    if settings.widths:
        # the three words of a question are no answers
        chance = 1 / (len(data.corpus.words) - 3)
        drawn["accuracy"] = figures.accuracy_against_width(result.metrics, chance=chance)
    return drawn | {"map": figures.embedding_map(embedding_dataset(result, _mapped(result)))}


def _mapped(result: Result[Word2VecSettings, Word2VecData]) -> tuple[str, ...]:
    """The models whose maps say most: the kernel, the network of middle width, the limit; else the first."""
    prepared, widths = result.prepared, sorted(result.settings.widths)
    middle = [("width", width) for width in widths[len(widths) // 2 :][:1]]
    chosen = [("limit", "ntk"), *middle, ("limit", "infinite")]
    names = [trial.name for axis, value in chosen for trial in prepared.trials if trial.at.get(axis) == value]
    return tuple(names) or prepared.names[:1]


SIZES = sizes(
    Word2VecSettings(seeds=1),
    smoke={"sentences": 200, "widths": (4, 16)},
    paper={
        "corpus": "kjv",
        "held_out": 0.1,
        "window": 8,
        "negatives": 25,
        "subsample": 1e-4,
        "epochs": 15,
        "learning_rate": 0.05,
        "weight_decay": 1e-3,
        "widths": (64, 256, 1024),
    },
)

EXPERIMENT = Experiment("feature-learning", "Word embeddings at finite and at infinite width", SIZES, prepare, draw)
