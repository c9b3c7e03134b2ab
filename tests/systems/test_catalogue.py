"""The table of systems is whole, and experiments and notebooks say the same."""

import re
from pathlib import Path

import pytest

from limitlab import systems
from limitlab.errors import UnknownName

ROOT = Path(__file__).resolve().parents[2]
TAUGHT = [system for system in systems.SYSTEMS if system.notebooks]
WORKING = [system for system in systems.SYSTEMS if system.state == "works"]


def test_there_are_thirty_systems_numbered_in_order():
    assert [system.number for system in systems.SYSTEMS] == list(range(1, 31))


def test_names_are_slugs_and_unique():
    assert len(set(systems.names())) == 30
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in systems.names())


def test_every_paper_has_an_arxiv_identifier_of_its_own():
    identifiers = [system.paper.arxiv for system in systems.SYSTEMS]
    assert len(set(identifiers)) == 30
    assert all(re.fullmatch(r"\d{4}\.\d{4,5}", identifier) for identifier in identifiers)


def test_arxiv_identifier_is_not_later_than_the_publication():
    for system in systems.SYSTEMS:
        assert 2000 + int(system.paper.arxiv[:2]) <= system.paper.year


def test_a_system_with_experiments_has_a_notebook():
    assert len(WORKING) >= 3
    for system in systems.SYSTEMS:
        assert system.notebooks or not system.experiments


@pytest.mark.parametrize("system", WORKING, ids=lambda system: system.name)
def test_experiments_of_a_working_system_exist_and_name_it(system):
    from limitlab import experiments

    assert {experiments.get(name).system for name in system.experiments} == {system.name}


@pytest.mark.parametrize("system", TAUGHT, ids=lambda system: system.name)
def test_notebooks_of_a_system_are_in_the_folder_of_its_family(system):
    for notebook in system.notebooks:
        assert (ROOT / "notebooks" / notebook).is_file()
        assert re.fullmatch(rf"{system.family}/\d\d-[a-z0-9-]+\.ipynb", notebook)


def test_every_experiment_belongs_to_a_system():
    from limitlab import experiments

    named = {name for system in systems.SYSTEMS for name in system.experiments}
    assert set(experiments.names()) == named


def test_unknown_system_is_answered_with_the_nearest():
    assert systems.get("ntk").number == 30
    with pytest.raises(UnknownName, match="did you mean 'sinenet'"):
        systems.get("sinnet")
