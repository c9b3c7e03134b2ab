"""A person's module takes the part of a trial: its batches, its loss, its measure; or is refused before training."""

import pytest
import torch
from experiments.contract.toy_experiment import LINES, Line
from torch import nn

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName


class Cubic(Line):
    """A line, and a cube times a number."""

    def __init__(self, seed=0):
        super().__init__(seed)
        self.c = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return super().forward(x) + self.c * x**3


def test_a_rival_is_trained_and_measured_as_the_part_is():
    own = Cubic()
    experiment = experiments.with_rivals(LINES, "slope-2.0/fast", copied=own, made=Line)
    result = experiment.train(experiment.configure("smoke")).finish()
    part, copied, made = (
        result.metrics["weight"].sel(model=f"slope-2.0/{name}") for name in ("fast", "copied", "made")
    )
    assert result.metrics["model"].size == 7
    assert torch.equal(own.w, Cubic().w), "a copy is trained"
    assert bool((made == part).all()), "the same class with the same seeds, batches and recipe is the same model"
    assert bool((copied != part).all())
    assert result.curves["squared"].sel(model="slope-2.0/copied").notnull().all()


def test_the_others_are_what_they_were():
    alone = LINES.train(LINES.configure("smoke")).finish()
    experiment = experiments.with_rivals(LINES, "slope-1.0/slow", mine=Cubic())
    beside = experiment.train(experiment.configure("smoke")).finish()
    models = list(alone.metrics["model"].values)
    assert bool((beside.metrics["weight"].sel(model=models[:4]) == alone.metrics["weight"].sel(model=models[:4])).all())


class Wide(Line):
    def forward(self, x):
        raise RuntimeError(f"only for {2 * x.shape[1]} features")


@pytest.mark.parametrize(
    ("part", "model", "message"),
    [
        ("mean", Line, r"part must be of a trial that learns .*; 'mean' does not"),
        ("slope-1.0/slow", 3, "mine must be a torch module or a function of the seed; got 3"),
        ("slope-1.0/slow", lambda seed: 3, r"mine must make a torch\.nn\.Module; got int"),
        (
            "slope-1.0/slow",
            Wide,
            "the part of 'slope-1.0/slow': when it saw a batch, .*only for 2 features",
        ),
        ("slope-1.0/slow", nn.Linear(1, 1), "cannot take the part of .*: when it was measured, AttributeError: .*'w'"),
    ],
)
def test_a_module_that_cannot_take_the_part_is_refused_before_training(part, model, message):
    with pytest.raises(InvalidArgument, match=message):
        experiments.with_rivals(LINES, part, mine=model).prepare(LINES.configure("smoke"))


def test_a_part_that_there_is_not_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean 'slope-1\.0/slow'"):
        experiments.with_rivals(LINES, "slope-1.0/slw", mine=Line).prepare(LINES.configure("smoke"))


def test_it_holds_for_experiments_of_other_families():
    part = experiments.get("spiral_cde").prepare(experiments.get("spiral_cde").configure("smoke")).trials[0]
    same = experiments.with_rivals(experiments.get("spiral_cde"), part.name, same=part.build)
    prepared = same.prepare(same.configure("smoke"))
    assert prepared.names[-1] == "same"
