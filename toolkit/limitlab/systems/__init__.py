"""The thirty systems of the laboratory: the one table that the README, the command line and the pickers are made from.

A system is a published idea that lives here as a model, an experiment and a notebook; it is "planned" until both of the
latter exist.
"""

from limitlab.systems.catalogue import CATALOGUE, SYSTEMS, get, names
from limitlab.systems.citations import cite
from limitlab.systems.reading_order import DOOR, course, lessons, neighbours, write_neighbours
from limitlab.systems.row import FAMILIES, Family, Paper, State, System
from limitlab.systems.table import markdown_table, write_table

__all__ = [
    "DOOR",
    "FAMILIES",
    "SYSTEMS",
    "Family",
    "Paper",
    "State",
    "System",
    "cite",
    "course",
    "get",
    "lessons",
    "markdown_table",
    "names",
    "neighbours",
    "write_neighbours",
    "write_table",
]
