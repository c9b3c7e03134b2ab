"""Machine code is there where numba is, and its absence is no error."""

import sys

from limitlab.discovery.machine_code import code_of


def test_a_module_without_numba_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("exponential", "pinn.jets.tanh"):
        monkeypatch.delitem(sys.modules, f"limitlab.discovery.{name}", raising=False)
    code_of.cache_clear()
    try:
        assert code_of("pinn.jets.tanh") is None
    finally:
        code_of.cache_clear()


def test_a_module_is_loaded_once():
    assert code_of("exponential") is code_of("exponential")
    assert code_of("exponential").reduced is not None
