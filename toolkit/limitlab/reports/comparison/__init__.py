"""The comparison of a sweep's points: what varied and what came of it, as one page with a table and figures."""

from limitlab.reports.comparison.page import comparison
from limitlab.reports.comparison.points import Point

__all__ = ["Point", "comparison"]
