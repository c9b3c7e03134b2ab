"""The engine of pyoperon: what it finds, in double precision and in the data's own units, and how it is refused."""

import importlib.util

import numpy as np
import pytest

from limitlab.discovery.symbolic import engines, search
from limitlab.discovery.symbolic.bridges import operon
from limitlab.discovery.symbolic.bridges.operon import EngineMissing

POINTS = np.random.default_rng(0).uniform(0.2, 5.0, size=(60, 2))


def test_the_same_budget_of_evaluations_gives_the_same_formulas():
    pytest.importorskip("pyoperon")
    y = -0.9e6 * POINTS[:, 0] * POINTS[:, 1]
    fronts = [search(POINTS, y, engine="operon", names=("x", "y"), ops=("+", "*"), evaluations=3000) for _ in range(2)]
    assert [str(row.expr) for row in fronts[0]] == [str(row.expr) for row in fronts[1]]
    # a loss that single precision does not reach
    assert fronts[0][-1].loss < 1e-20 * np.mean(y**2)
    wider = POINTS * 3
    np.testing.assert_allclose(fronts[0][-1].expr(wider), -0.9e6 * wider[:, 0] * wider[:, 1], rtol=1e-9)


def test_without_its_package_the_engine_says_how_to_get_it(monkeypatch):
    assert "operon" in engines()
    operon._regressor_class.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match=r"pip install 'limitlab\[symbolic\]'"):
        search(POINTS, POINTS[:, 0], engine="operon", evaluations=100)
    operon._regressor_class.cache_clear()


def test_without_avx2_the_engine_is_refused(monkeypatch):
    pytest.importorskip("pyoperon")
    operon._regressor_class.cache_clear()
    monkeypatch.setattr(operon, "_has_avx2", lambda: False)
    with pytest.raises(EngineMissing, match="AVX2"):
        search(POINTS, POINTS[:, 0], engine="operon", evaluations=100)
    operon._regressor_class.cache_clear()
