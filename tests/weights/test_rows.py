"""A row names a trial that there is, and settings that its experiment takes."""

import pytest

from limitlab import experiments
from limitlab.weights import ABSENT, ROWS, names

MEASURED = {
    *("samples", "test_samples", "train_samples", "tested", "held_out", "test_tasks", "test_rates", "steps"),
    *("methods", "modes", "calls"),
}
"""Settings of what a model learns from, for how long, and how it is measured, none of which it is made of.

`modes` are those of a reduction alone.
"""


def test_every_experiment_has_a_model_that_ships_or_a_reason_why_not():
    # a new experiment must decide
    shown = {row.experiment for row in ROWS.values()}
    assert shown | set(ABSENT) == set(experiments.places())
    assert not shown & set(ABSENT)
    assert set(names()) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_one_trial_with_one_seed(name):
    row = ROWS[name]
    settings = row.settings()
    assert len(settings.seed_range) == 1
    assert row.experiment in experiments.names()
    assert row.factor > 1


@pytest.mark.parametrize("name", ROWS)
def test_what_is_small_is_the_same_model(name):
    row = ROWS[name]
    whole, small = row.settings().as_dict(), row.settings(**row.small).as_dict()
    assert {key for key in whole if whole[key] != small[key]} <= MEASURED
