"""Word embeddings of several widths, of infinite width, and of the kernel limit, on one text in one order.

In the generated corpus each target word is about a pair (i, j), and every analogy w_ij : w_ij' = w_i'j : w_i'j' has a
right answer. At the course size loss and analogies improve with width and infinite width is best (at the rate that is
best for this text, 0.15, width 64 has a loss lower by 0.002); a kernel limit moves no embedding, so its analogies stay
at chance, though it is trained at a rate of its own. The paper size is the King James Bible.
Source: Yang, Hu, Feature learning in infinite-width neural networks, arXiv 2011.14522, section 7.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from limitlab.data.sources.corpus import TEXTS, ContextBatches, Corpus, factorial_corpus, text_corpus
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import Settings, option
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

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

CORPORA = ("factorial", *TEXTS)
LIMITS = ("infinite", "ntk", "gp")
FROZEN_WIDTH = 256
HELD_OUT_SEED = 2**32
SMOOTHED = 60


@dataclass(frozen=True)
class Word2VecSettings(Settings):
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
    limits: tuple[str, ...] = option(("infinite", "ntk"), "limits beside them", choices=LIMITS)
    seeds: int = option(1, "initialisations of each finite width", low=1, high=100)
    seed: int = option(0, "seed of text, order and first initialisation", low=0, high=2**31)
    device: str = option("auto", "where to train", choices=("auto", "cpu", "cuda", "mps"))

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
    questions: Tensor | None


def prepare(settings: Settings, progress: ReportProgress = False) -> Prepared:
    """One text and one order of contexts and negatives for all models."""
    assert isinstance(settings, Word2VecSettings)
    train, test = _texts(settings)
    reading: dict[str, Any] = {"window": settings.window, "negatives": settings.negatives}
    batches = ContextBatches(
        train, size=settings.batch_size, subsample=settings.subsample, seed=settings.seed, **reading
    )
    held_out = ContextBatches(test, size=1, seed=settings.seed + HELD_OUT_SEED, **reading).epoch(0)
    data = Word2VecData(train, held_out, train.analogies() if len(train.factors) else None)
    words, steps = len(train.words), settings.epochs * len(batches)
    finite_widths = {f"width-{width}": width for width in settings.widths}

    def build(model: str, seed: int) -> nn.Module:
        if model in finite_widths:
            return finite(words, finite_widths[model], seed)
        return infinite(words) if model == "infinite" else kernel_limit(words, model)

    def training(model: str) -> dict[str, Any]:
        frozen = model in ("ntk", "gp")
        rate = settings.kernel_learning_rate if frozen else settings.learning_rate
        return {
            "steps": steps,
            # the loss is a mean over the batch, the rate that of a step on the sum
            "learning_rate": rate * settings.batch_size,
            "weight_decay": 0.0,
            "optimizer": "sgd",
            "schedule": linear_decay(steps),
            "device": settings.device,
        }

    return Prepared(
        settings=settings,
        models=(*finite_widths, *settings.limits),
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        batches=batches,
        loss=cbow_loss(settings.weight_decay),
        build=build,
        training=training,
        measure=lambda model: measure_embeddings(model, data),
        data=data,
    )


def _texts(settings: Word2VecSettings) -> tuple[Corpus, Corpus]:
    """What is trained on, and what the loss is measured on."""
    if settings.corpus != "factorial":
        whole = text_corpus(settings.corpus, most_words=settings.most_words, min_count=settings.min_count)
        return whole.split(settings.held_out / (1 + settings.held_out))
    count = max(2, round(settings.held_out * settings.sentences))
    return (
        factorial_corpus(settings.sentences, seed=settings.seed),
        factorial_corpus(count, seed=settings.seed + HELD_OUT_SEED),
    )


def measure_embeddings(model: nn.Module, data: Word2VecData) -> "xr.Dataset":
    """The loss on held-out text and, where there are analogies, the share solved; `width` is a coordinate."""
    import xarray as xr

    assert isinstance(model, CBOW)
    metrics = xr.Dataset(
        {"held_out_loss": ((), mean_loss(model, data.held_out), {"long_name": "held-out loss", "units": "1"})},
        coords={"width": ((), float(model.width), {"long_name": "width", "units": "1"})},
    )
    if data.questions is not None:
        hits = analogy_hits(embeddings_of(model), data.questions)
        metrics["accuracy"] = ((), float(hits.float().mean()), {"long_name": "analogies solved", "units": "1"})
    return metrics


def embeddings_of(model: CBOW) -> Tensor:
    """The vectors of the words; where features are frozen, those of a wide network, which keeps what it drew."""
    return model.sample(FROZEN_WIDTH).u if model.frozen else model.u.detach()


def embedding_dataset(result: Result, models: tuple[str, ...]) -> "xr.Dataset":
    """The target words' unit vectors of these models (model, word, dimension), NaN beyond a model's dimensions."""
    import xarray as xr

    data, seed = result.prepared.data, result.prepared.seeds[0]
    targets = len(data.corpus.factors)
    tables = [embeddings_of(cast(CBOW, result.models[name, seed])) for name in models]
    vectors = [nn.functional.normalize(table[:targets], dim=1).cpu() for table in tables]
    largest = max(table.shape[1] for table in vectors)
    padded = [nn.functional.pad(table, (0, largest - table.shape[1]), value=math.nan) for table in vectors]
    factors = {name: ("word", data.corpus.factors[:, axis]) for axis, name in enumerate(("i", "j"))}
    return xr.Dataset(
        {"embedding": (("model", "word", "dimension"), torch.stack(padded).numpy())},
        coords={"model": list(models), "word": list(data.corpus.words[:targets]), **factors},
    )


def draw(result: Result) -> dict[str, "go.Figure"]:
    """Training curves, held-out loss and accuracy against width, and maps of the target words."""
    from limitlab import figures

    settings, data = result.prepared.settings, result.prepared.data
    assert isinstance(settings, Word2VecSettings)
    smooth = result.curves.coarsen(step=max(1, result.curves.sizes["step"] // SMOOTHED), boundary="trim").mean()
    drawn = {"training": figures.training_curves(smooth, "negative_sampling")}
    if settings.widths:
        drawn["loss"] = figures.accuracy_against_width(result.metrics, "held_out_loss")
    if data.questions is None:
        return drawn
    if settings.widths:
        chance = 1 / (len(data.corpus.words) - 3)
        drawn["accuracy"] = figures.accuracy_against_width(result.metrics, chance=chance)
    middle = [f"width-{width}" for width in sorted(settings.widths)[len(settings.widths) // 2 :][:1]]
    shown = tuple(name for name in ("ntk", *middle, "infinite") if name in result.prepared.models)
    return drawn | {"map": figures.embedding_map(embedding_dataset(result, shown or result.prepared.models[:1]))}


COURSE = Word2VecSettings()
SMOKE = replace(COURSE, sentences=200, widths=(4, 16))
PAPER = replace(
    COURSE,
    corpus="kjv",
    held_out=0.1,
    window=8,
    negatives=25,
    subsample=1e-4,
    epochs=15,
    learning_rate=0.05,
    weight_decay=1e-3,
    widths=(64, 256, 1024),
)

EXPERIMENT = Experiment(
    name="word2vec_cbow",
    title="Word embeddings at finite and at infinite width",
    system="feature-learning",
    sizes={"smoke": SMOKE, "course": COURSE, "paper": PAPER},
    prepare=prepare,
    draw=draw,
    check=lambda settings: None,
)
