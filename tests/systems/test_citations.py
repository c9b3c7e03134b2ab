"""BibTeX that a bibliography can take: balanced, with keys of its own, and for each thing the paper it is from."""

import dataclasses
import re

import pytest

import limitlab as ll
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.systems import SYSTEMS


def fields(entry):
    return dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, re.MULTILINE))


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_every_system_has_an_entry_that_is_well_formed(system):
    entry = ll.cite(system)
    assert ll.cite(system.number) == ll.cite(system.name) == entry
    assert entry.count("{") == entry.count("}")
    assert re.match(r"@(inproceedings|article|phdthesis|misc)\{[a-z0-9-]+,\n", entry)
    held = fields(entry)
    assert held["eprint"] == system.paper.arxiv
    assert held["year"] == str(system.paper.year)
    assert len(held["author"].split(" and ")) == len(system.paper.authors.split(","))


def test_keys_of_all_systems_differ():
    keys = [re.match(r"@\w+\{([^,]+)", ll.cite(system))[1] for system in SYSTEMS]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("name", "kind", "where"),
    [
        ("mor-neural-ode", "article", {"journal": "IEEE TNNLS", "volume": "35"}),
        ("mg-tfno", "article", {"journal": "TMLR"}),
        ("neural-differential-equations", "phdthesis", {"school": "University of Oxford"}),
        ("mgno", "inproceedings", {"booktitle": "ICLR"}),
        ("lordnet", "misc", {}),
    ],
)
def test_the_kind_of_entry_is_that_of_the_place(name, kind, where):
    entry = ll.cite(name)
    assert entry.startswith(f"@{kind}{{")
    assert where.items() <= fields(entry).items()


@pytest.mark.parametrize("experiment", [name for system in SYSTEMS for name in system.experiments][::12])
def test_an_experiment_is_cited_by_its_system(experiment):
    system = next(system for system in SYSTEMS if experiment in system.experiments)
    assert ll.cite(experiment) == ll.cite(system)


def test_an_experiment_and_its_run_are_cited_as_objects_too(tmp_path):
    run = ll.training.runs.create(tmp_path / "run", {}, "darcy_mgno")
    assert ll.cite(run) == ll.cite(ll.experiments.get("darcy_mgno")) == ll.cite("mgno")


@pytest.mark.parametrize("name", [row.name for row in ll.operators.OPERATORS.values() if row.trains])
def test_every_operator_that_learns_names_its_source(name):
    assert "eprint" in ll.cite(ll.operators.get(name))


def test_a_model_is_cited_by_what_it_is():
    model = ll.operators.SineNet(1, 1, width=4, waves=1)
    assert ll.cite(model) == ll.cite(ll.operators.SineNet)
    assert ll.cite("sinenet") in ll.cite(model)


def test_a_source_without_an_identifier_is_a_note():
    entry = ll.cite(dataclasses.replace(ll.problems.get("lorenz"), source="A & B, 50%"))
    assert fields(entry)["note"] == r"A \& B, 50\%"


@pytest.mark.parametrize(("name", "nearest"), [("ntkk", "ntk"), ("darcy_fnoo", "darcy_fno"), ("lorentz", "lorenz")])
def test_an_unknown_name_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(UnknownName, match=f"did you mean '{nearest}'"):
        ll.cite(name)


@pytest.mark.parametrize("subject", [0, 31, 3.5, True, None, {}, object()])
def test_what_names_no_source_is_refused(subject):
    with pytest.raises(InvalidArgument):
        ll.cite(subject)
