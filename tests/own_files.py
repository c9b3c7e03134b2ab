"""Functions of a problem in a file, as a reader would have them."""

import numpy as np

from limitlab import problems


def burgers_file(path, samples):
    """A file of NumPy with a, u and x; its path as a text."""
    problem = problems.get("burgers")
    view = problem.operator_view(problem.simulate(samples, resolution=32))
    np.savez(path, a=view["input"].values[:, 0], u=view["target"].values[:, 0], x=view["x"].values)
    return str(path)
