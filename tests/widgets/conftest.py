"""One cache for all studio tests, so that the same functions are made once."""

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(cache))


@pytest.fixture
def until():
    """Wait for a condition that a thread brings about."""
    import time

    def wait(condition, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come about"
            time.sleep(0.005)

    return wait
