"""Reports: a notebook run with parameters, as a self-contained page; many of them, as a comparison.

`report` runs one notebook, `sweep` a product of parameters on Dask; in a notebook `publish` records its results.
"""

from limitlab.reports.comparison import Point
from limitlab.reports.execution import Report, ReportFailed, report
from limitlab.reports.publish import collect, publish
from limitlab.reports.sweep import Sweep, sweep

__all__ = ["Point", "Report", "ReportFailed", "Sweep", "collect", "publish", "report", "sweep"]
