from itertools import count

import pytest

from limitlab.interruption import TimeIsUp
from limitlab_widgets.shared import budget


class Superseded(Exception):
    pass


def test_a_budget_ends_work_when_its_seconds_are_spent(monkeypatch):
    clock = count(0)
    monkeypatch.setattr(budget, "CLOCK", lambda: next(clock))
    spent = budget.Budget(lambda: None, seconds=2)
    spent()
    spent()
    assert not spent.spent
    with pytest.raises(TimeIsUp):
        spent()
    assert spent.spent


def test_a_budget_asks_first_whether_the_work_is_needed(monkeypatch):
    monkeypatch.setattr(budget, "CLOCK", lambda: 0.0)

    def check():
        raise Superseded

    asked = budget.Budget(check)
    with pytest.raises(Superseded):
        asked()
    assert not asked.spent
    assert asked.left == budget.SECONDS == 2.0
