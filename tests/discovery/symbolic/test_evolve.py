"""Evolution repeats itself, forgets the oldest, and finds short formulas."""

import numpy as np
import pytest
import torch

from limitlab.discovery.symbolic import Settings
from limitlab.discovery.symbolic.evolve import Evolution, State, evolve
from limitlab.discovery.symbolic.testbed import CASES
from limitlab.discovery.symbolic.trees import mutations
from limitlab.discovery.symbolic.trees.evaluation import fits
from limitlab.discovery.symbolic.trees.population import Population
from limitlab.errors import InvalidArgument

SMALL = Evolution(islands=4, members=32, children=8, cycles=8)


def formulas(name, seed, evaluations, evolution=SMALL):
    steps = evolve(CASES[name].data(seed=seed), Settings(evaluations=evaluations), seed, evolution)
    return [formula for step in steps for formula in step.formulas]


def test_the_same_seed_and_evaluations_give_the_same_formulas():
    one, other, third = (formulas("pendulum", seed, 400) for seed in (3, 3, 4))
    assert [f.text for f in one] == [f.text for f in other]
    assert [f.text for f in one] != [f.text for f in third]


def test_without_mutation_nobody_lives_longer_than_a_turnover(monkeypatch):
    monkeypatch.setattr(mutations, "MUTATIONS", [row for row in mutations.MUTATIONS if row.name == "nothing"])
    monkeypatch.setattr(mutations, "CROSSOVER", 0.0)
    state = State(CASES["pendulum"].data(), Settings(), 0, SMALL)
    # a mark that copies carry and no fit depends on: whether a member was there before
    born = torch.zeros(len(state.trees), dtype=torch.long)
    replace, cycle = state._replace, 0

    def marked(where, trees, fit):
        born[where] = cycle
        replace(where, trees, fit)

    state._replace = marked
    for cycle in range(1, 13):
        state.cycle(0.5)
        turnover = SMALL.members // SMALL.children
        assert int(born.min()) >= cycle - turnover


def test_the_best_of_every_complexity_is_kept():
    state = State(CASES["pendulum"].data(), Settings(), 0, SMALL)
    records = []
    for _ in range(10):
        state.cycle(0.5)
        records.append(min(float(fit.loss) for _, fit in state.hall._best.values()))
    assert records == sorted(records, reverse=True)
    assert records[-1] <= float(state.fit.loss.min())


def test_two_halves_of_a_law_complete_each_other():
    """x*(28 - z) - y from x*(28 - z), which the hall of fame has, and the variables."""
    data = CASES["lorenz"].data()
    state = State(data, Settings(), 0, SMALL)
    half = Population.of([[("x", 0), 28.0, ("x", 2), "-", "*"]], state.trees.op.shape[1])
    state.hall.enter(half, fits(half, state.X, state.y, state.weights), state.alphabet)
    before = min(float(fit.loss[0]) for _, fit in state.hall._best.values())
    state.complete()
    after = min(float(fit.loss[0]) for _, fit in state.hall._best.values())
    assert before > 0.9 * np.var(data.X[:, 1])
    assert after < 1e-20 * np.var(data.y)


@pytest.mark.parametrize(("name", "evaluations"), [("lotka", 600), ("pendulum", 4000)])
def test_a_short_formula_is_found(name, evaluations):
    case, settings = CASES[name], Settings(("+", "-", "*", "sin", "cos"), evaluations=evaluations)
    evolution = Evolution(islands=8, members=64, children=32, cycles=4)
    errors = [case.error(f) for step in evolve(case.data(), settings, 0, evolution) for f in step.formulas]
    assert min(errors) < 1e-3


def test_more_children_than_members_are_refused():
    with pytest.raises(InvalidArgument, match="children must be a whole number >= 1 <= 8"):
        Evolution(members=8, children=9)
