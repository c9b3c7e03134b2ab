"""Domains for networks that solve equations: shapes, distances, points, boundary conditions."""

from limitlab.spaces.domains.adaptive import adaptive
from limitlab.spaces.domains.conditions import Dirichlet, Neumann, Periodic, Robin
from limitlab.spaces.domains.domain import Domain
from limitlab.spaces.domains.polygon import Polygon
from limitlab.spaces.domains.shapes import Box, Disk, Interval, StarShape
from limitlab.spaces.domains.space_time import SpaceTime

__all__ = [
    "Box",
    "Dirichlet",
    "Disk",
    "Domain",
    "Interval",
    "Neumann",
    "Periodic",
    "Polygon",
    "Robin",
    "SpaceTime",
    "StarShape",
    "adaptive",
]
