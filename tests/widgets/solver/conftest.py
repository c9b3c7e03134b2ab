"""Solves that are waited for, however slow the machine is: what a change brings is there when it returns."""

import pytest

from limitlab_widgets.solver import state


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    monkeypatch.setattr(state, "PATIENCE", 120.0)
    monkeypatch.setattr(state, "FIRST_PATIENCE", 120.0)
    monkeypatch.setattr(state, "PAUSE", 0.0)
