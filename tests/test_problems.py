"""The catalogue: every problem by name, refused names, and an import that stays light."""

import json
import subprocess
import sys

import pytest

from limitlab import problems
from limitlab.data.store import Entry
from limitlab.errors import InvalidArgument, UnknownName


def test_importing_problems_imports_no_symbolic_or_labelled_library():
    heavy = "{'sympy', 'xarray', 'dask', 'plotly'}"
    command = f"import sys, limitlab.problems; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_catalogue_holds_what_the_experiments_need_under_unique_names():
    expected = {"advection", "heat", "burgers", "korteweg_de_vries", "kuramoto_sivashinsky", "allen_cahn"}
    expected |= {"darcy", "darcy_lognormal", "poisson", "navier_stokes", "navier_stokes_forced"}
    assert expected <= set(problems.names())
    assert len(problems.catalogue()) == len(set(problems.names()))
    assert {p.name for p in problems.catalogue("steady")} == {
        *("darcy", "darcy_lognormal", "darcy_multiscale", "poisson"),
        *("helmholtz", "helmholtz_sourced"),
    }
    assert set(problems.catalogue("steady")).isdisjoint(problems.catalogue("evolution"))


def test_kinds_part_the_catalogue():
    kinds = ("pde", "ode", "sde", "integral")
    assert sorted(name for kind in kinds for name in problems.names(kind)) == sorted(problems.names())
    assert all(problem.kind == kind for kind in kinds for problem in problems.catalogue(kind))
    assert len(problems.names("ode")) >= 45
    assert len(problems.names("sde")) >= 16
    assert len(problems.names("integral")) == 10


@pytest.mark.parametrize("name", problems.names())
def test_every_problem_reads_its_own_text_and_has_a_spec_in_json(name):
    problem = problems.get(name)
    assert "=" in problem.latex()
    assert json.loads(json.dumps(problem.spec())) == problem.spec()
    assert hash(problem) == hash(problems.get(name))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("burgers", "547f8e4f45c5b098"),
        ("darcy", "942938d149a214ec"),
        ("lorenz", "2e8d9bdf6a60ce4a"),
        ("ornstein_uhlenbeck", "a52154ec8e165efb"),
    ],
)
def test_stored_data_stay_valid(name, key):
    """The key of a recipe changes with its problem's `version`, where the numbers do, and at no other time."""
    assert Entry({"spec": problems.get(name).spec()}).key.startswith(key)


def test_get_changes_parameters_and_the_domain():
    problem = problems.get("burgers", nu=0.05, span=0.5, frames=3, length=2.0)
    assert problem.values == {"nu": 0.05}
    assert problem.times.tolist() == [0.0, 0.25, 0.5]
    assert problem.grid(8).lengths == (2.0,)
    assert problems.get("burgers").values == {"nu": 0.1}


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'burgers'"):
        problems.get("burger")
    with pytest.raises(UnknownName, match="did you mean 'nu'"):
        problems.get("burgers", mu=0.1)
    with pytest.raises(UnknownName, match="did you mean 'steady'"):
        problems.catalogue("stead")
    with pytest.raises(InvalidArgument, match="span"):
        problems.get("burgers", span=-1.0)
