"""A discovery studio's state with networks that are small and soon trained."""

import pytest

from limitlab_widgets import DiscoveryState

TINY = {"adam": 15, "quasi_newton": 3, "width": 6, "collocation": 20}


@pytest.fixture
def opened(closed_at_end):
    """`opened(problem, **options)` opens one, and waits for its measurements."""

    def make(*arguments, **options):
        state = closed_at_end(DiscoveryState(*arguments, **{**TINY, **options}))
        assert state.wait(60)
        return state

    return make
