"""Variables of the environment that are read; the README, `limitlab list variables` and the doctor show them."""

from __future__ import annotations

from typing import NamedTuple


class Variable(NamedTuple):
    """A name, what it decides, and what holds where it is not set."""

    name: str
    meaning: str
    otherwise: str


VARIABLES = (
    Variable(
        "LIMITLAB_HOME",
        "folder or fsspec address, such as s3://bucket/limitlab, where generated data are kept",
        "the platform's folder for caches",
    ),
    Variable(
        "LIMITLAB_NOTEBOOKS",
        "folder in which lessons are looked for by name",
        "notebooks/ here or above, then those that are installed",
    ),
    Variable(
        "OMP_NUM_THREADS",
        "threads of one process; 1 is best where several run side by side",
        "torch's choice, one a core",
    ),
    Variable("ACCELERATE_USE_CPU", "true: compute on the CPU even where there is an accelerator", "false"),
    Variable("RANK", "number of this process among several; torchrun and accelerate set it", "0, the one that writes"),
    Variable("PLOTLY_RENDERER", "how plotly shows figures in a notebook", "plotly_mimetype, which JupyterLab draws"),
)
