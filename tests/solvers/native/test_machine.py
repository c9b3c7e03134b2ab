"""Machine code lives as long as its machine, and no machine takes another's with it."""

import gc

import numpy as np
from solvers.lanes import of_lanes

from limitlab.solvers.native.arithmetic import WIDTH


def test_machines_come_and_go_apart_from_each_other():
    doubled = of_lanes(lambda lanes, load: (1, lanes.scaled(load(0), 2.0)))
    for factor in range(4):
        other = of_lanes(lambda lanes, load, factor=factor: (1, lanes.scaled(load(0), float(factor))))
        assert (other(np.ones(WIDTH)) == factor).all()
        del other
        gc.collect()
    assert (doubled(np.ones(WIDTH)) == 2.0).all()
