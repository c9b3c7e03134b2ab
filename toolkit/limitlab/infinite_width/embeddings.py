"""Word embeddings (CBOW with negative sampling) at finite width, at infinite width, and in the kernel limit.

The score of word k in a context C is V_k . h, h = 1/|C| sum of U_j over the words j of C. A step of rate alpha on
    sum over positions and over k (the word in the middle, label 1; negatives, label 0) of -log sigma(+-V_k . h)
is, with g_k = label - sigma(V_k . h),
    V_k += alpha g_k h,        U_j += alpha (sum_k g_k V_k)/|C|,
where words that occur twice add up. With U_0 iid of variance 1/n, V_0 = 0 and a rate that does not depend on n this is
the maximal update parametrisation. All that is ever learned lies in the span of the columns of U_0, whose Gram
matrix tends to the identity; so the network of infinite width is exactly the one with U_0 = identity. In the kernel
limits U never moves, and what is left is a linear classifier of the words in the context.
Source: Yang, Hu, arXiv 2011.14522, section 7 and appendix; Mikolov et al., arXiv 1301.3781.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.saved import Saved

KERNELS = {"ntk": math.sqrt(2), "gp": 1.0}
# a gradient with zeros for all the words that a batch does not hold is cheap for a few words only
SPARSE_FROM = 1024
POSITIONS_AT_ONCE = 2048
QUESTIONS_AT_ONCE = 4096


class CBOW(Saved):
    """Scores of words in contexts; u, v (word, dimension) hold a vector of each word as context and as answer.

    width: the width that it stands for, inf for a limit. frozen: only v is trained.

    >>> ll.infinite_width.CBOW(torch.eye(9), width=torch.inf)
    CBOW(9 words, width inf, held in 9 dimensions)
    """

    u: Tensor
    v: Tensor

    def __init__(self, u: Float[Tensor, "word dimension"], *, width: float, frozen: bool = False) -> None:
        super().__init__()
        self.width, self.frozen = width, frozen
        if frozen:
            self.register_buffer("u", u.clone())
        else:
            self.u = nn.Parameter(u.clone())
        self.v = nn.Parameter(torch.zeros_like(u))

    def forward(
        self,
        context: Int64[Tensor, "batch slot"],
        weight: Float[Tensor, "batch slot"],
        words: Int64[Tensor, "batch k"],
    ) -> Float[Tensor, "batch k"]:
        """The scores V_k . h of `words` for the mean h of the context with these weights."""
        sparse = len(self.u) >= SPARSE_FROM
        # embedding_bag takes weights of the table's dtype only
        shares = weight.to(self.u.dtype)
        hidden = functional.embedding_bag(context, self.u, per_sample_weights=shares, mode="sum", sparse=sparse)
        return torch.einsum("bkd,bd->bk", functional.embedding(words, self.v, sparse=sparse), hidden)

    def rows(self, batch: Mapping[str, Tensor]) -> list[Float[Tensor, "touched dimension"]]:
        """The rows of V, and of U unless it is frozen, that a batch trains, each once."""
        tables = [(self.v, batch["words"])]
        if not self.frozen:
            tables.append((self.u, batch["context"][batch["weight"] > 0]))
        sparse = len(self.u) >= SPARSE_FROM
        # once each: a word that occurs twice must not decay twice
        return [functional.embedding(words.unique(), table, sparse=sparse) for table, words in tables]

    @torch.no_grad()
    def sample(self, width: int, seed: int = 0) -> CBOW:
        """A network of this width drawn from the law of the limit: U omega, V omega, omega_(d, n) ~ N(0, 1/n).

        Its scores tend to the limit's like width^(-1/2). Raises InvalidArgument for a network of finite width.
        """
        if math.isfinite(self.width):
            raise InvalidArgument(f"only a limit can be sampled; this network has width {self.width:g}")
        width = int(check_number("width", width, low=1, integer=True))
        generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
        # in float64, as `LinearLimit.sample` draws: the same network in every precision
        omega = torch.randn(self.u.shape[1], width, generator=generator, dtype=torch.float64) / math.sqrt(width)
        omega = omega.to(self.u)
        drawn = CBOW(self.u @ omega, width=width, frozen=self.frozen)
        drawn.v.copy_(self.v @ omega)
        return drawn

    def extra_repr(self) -> str:
        words, dimension = self.u.shape
        return f"{words} words, width {self.width:g}, held in {dimension} dimensions" + ", frozen" * self.frozen


def finite(words: int, width: int, seed: int = 0) -> CBOW:
    """A network of this width: U uniform of variance 1/width, V = 0.

    >>> ll.infinite_width.finite_cbow(9, 4).u.shape
    torch.Size([9, 4])
    """
    words = int(check_number("words", words, low=2, integer=True))
    width = int(check_number("width", width, low=1, integer=True))
    generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
    # uniform on [-b, b] has variance b^2/3
    bound = math.sqrt(3 / width)
    return CBOW((2 * torch.rand(words, width, generator=generator) - 1) * bound, width=width)


def infinite(words: int) -> CBOW:
    """The network of infinite width, exactly, as one of as many dimensions as words: U = identity, V = 0.

    >>> ll.infinite_width.infinite_cbow(9)
    CBOW(9 words, width inf, held in 9 dimensions)
    """
    return CBOW(torch.eye(int(check_number("words", words, low=2, integer=True))), width=math.inf)


def kernel_limit(words: int, kind: str = "ntk") -> CBOW:
    """The limit in which features are frozen: "ntk" (all layers trained, NTK parametrisation) or "gp" (the last one).

    With frozen features phi a step of gradient descent moves the scores by the kernel phi . phi'. For this linear
    network of unit variances it is x . x' for the last layer and as much again for the first: features x or sqrt(2) x.

    >>> round(float(ll.infinite_width.kernel_limit(9, "ntk").u[0, 0]) ** 2, 6)
    2.0
    """
    one_of("kernel limit", kind, KERNELS)
    count = int(check_number("words", words, low=2, integer=True))
    return CBOW(KERNELS[kind] * torch.eye(count), width=math.inf, frozen=True)


def cbow_loss(weight_decay: float = 0.0) -> Callable[[Any, Mapping[str, Tensor]], dict[str, Tensor]]:
    """The loss of `training.fit`: negative sampling, a mean over positions, and decay of the rows that a batch touches.

    A mean, so that losses compare: the sum's step of rate alpha is the mean's of rate alpha times the batch size.
    weight_decay: a step multiplies each touched row of U and V by 1 - alpha weight_decay, once however often it occurs.

    >>> batch = ll.infinite_width.ContextBatches(ll.infinite_width.factorial_corpus(sentences=20)).batch(0)
    >>> ll.infinite_width.cbow_loss()(ll.infinite_width.CBOW(torch.eye(256), width=torch.inf), batch)
    {'negative_sampling': tensor(4.1589, grad_fn=<MeanBackward0>)}
    """
    decay = check_number("weight_decay", weight_decay, low=0)

    def loss(model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        terms = {"negative_sampling": position_losses(model, batch).mean()}
        if decay > 0:
            squares = [rows.square().sum() for rows in model.rows(batch)]
            terms["weight_decay"] = torch.stack(squares).sum() * (decay / 2 / len(batch["words"]))
        return terms

    return loss


def position_losses(model: nn.Module, batch: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
    """-log sigma(V_k . h) of the word in the middle plus -log sigma(-V_k . h) of the negatives, for each position.

    >>> batch = ll.infinite_width.ContextBatches(ll.infinite_width.factorial_corpus(sentences=20)).batch(0)
    >>> losses = ll.infinite_width.position_losses(ll.infinite_width.infinite_cbow(256), batch)
    >>> torch.allclose(losses, torch.tensor(batch["words"].shape[1]) * torch.tensor(2.0).log())
    True
    """
    scores = model(batch["context"], batch["weight"], batch["words"])
    # -log sigma(s) = softplus(-s), which does not overflow
    return functional.softplus(-scores[:, 0]) + functional.softplus(scores[:, 1:]).sum(dim=1)


@torch.no_grad()
def mean_loss(model: CBOW, rows: Mapping[str, Tensor]) -> float:
    """The loss on many positions, such as a whole epoch, a part at a time.

    >>> batch = ll.infinite_width.ContextBatches(ll.infinite_width.factorial_corpus(sentences=20)).batch(0)
    >>> round(ll.infinite_width.mean_loss(ll.infinite_width.infinite_cbow(256), batch), 4)
    4.1589
    """
    parts = zip(*(tensor.to(model.v.device).split(POSITIONS_AT_ONCE) for tensor in rows.values()), strict=True)
    losses = [position_losses(model, dict(zip(rows, part, strict=True))) for part in parts]
    return float(torch.cat(losses).double().mean())


def linear_decay(steps: int, end: float = 1e-4) -> Callable[[int], float]:
    """From 1 at step 0 along a straight line, never below `end`: word2vec's schedule.

    >>> ll.infinite_width.linear_decay(10)(5)
    0.5
    """
    steps = int(check_number("steps", steps, low=1, integer=True))
    return lambda step: max(1 - step / steps, end)


@torch.no_grad()
def analogy_hits(
    vectors: Float[Tensor, "word dimension"], questions: Int64[Tensor, "question 4"]
) -> Bool[Tensor, " question"]:
    """Whether each analogy "first is to second as third is to fourth" is solved.

    The answer is the word whose unit vector is nearest, by cosine, to second - first + third of the unit vectors, the
    three words of the question excepted.

    >>> vectors = torch.tensor([[1.0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]])
    >>> ll.infinite_width.analogy_hits(vectors, torch.tensor([[0, 1, 2, 3]]))
    tensor([True])
    """
    if questions.ndim != 2 or questions.shape[1] != 4:
        raise InvalidArgument(f"questions must have shape (question, 4); got {tuple(questions.shape)}")
    unit = functional.normalize(vectors, dim=1)
    hits = []
    for part in questions.to(vectors.device).split(QUESTIONS_AT_ONCE):
        first, second, third, fourth = part.unbind(1)
        cosines = (unit[second] - unit[first] + unit[third]) @ unit.T
        # else the answer is the third word itself more often than not
        cosines.scatter_(1, part[:, :3], -torch.inf)
        hits.append(cosines.argmax(dim=1) == fourth)
    return torch.cat(hits)
