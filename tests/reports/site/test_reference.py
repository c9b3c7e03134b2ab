"""The reference shows what stands in the source, and knows where."""

from pathlib import Path

import pytest
from docutils.core import publish_doctree
from measures import listed, modules, short

from limitlab.errors import InvalidArgument
from limitlab.reports.site import reference

ROOT = Path(__file__).parents[3]
SOURCE = reference.Source((ROOT / "toolkit", ROOT / "widgets"))


def test_every_listed_name_of_every_package_is_described():
    packages = [path for path in modules() if path.name == "__init__.py" and listed(path)]
    names = {short(path).removesuffix("/__init__.py").replace("/", "."): listed(path) for path in packages}
    assert set(SOURCE.packages()) == set(names)
    for package, found in names.items():
        page = reference.page(package, SOURCE)
        assert not [name for name in found if f":: {name}" not in page and f"**{name}**" not in page]


def test_a_name_that_another_package_offers_leads_to_the_module_that_defines_it():
    assert reference.resolve("limitlab.solvers", "solve_ode", SOURCE) == ("limitlab.solvers.ode.solve", "solve_ode")
    # imported under another name, in a function, and a module
    assert reference.resolve("limitlab.infinite_width", "finite_cbow", SOURCE)[1] == "finite"
    estimator = "limitlab.discovery.symbolic.bridges.estimator"
    assert reference.resolve("limitlab.discovery.symbolic", "SymbolicRegressor", SOURCE)[0] == estimator
    assert reference.resolve("limitlab.solvers", "linear", SOURCE) == ("limitlab.solvers.linear", None)
    with pytest.raises(InvalidArgument, match="has no solve_pde"):
        reference.resolve("limitlab.solvers", "solve_pde", SOURCE)


@pytest.mark.parametrize("text", ["y: (batch, *state), |x|_2 and 2**n.", "a_ and b_: *c* `d*e`; [1]_ :f: http://x"])
def test_a_sentence_is_shown_as_written(text):
    assert publish_doctree(reference.text(text)).astext().strip() == text.replace("`", "").strip()


def test_examples_blocks_and_lists_of_a_docstring_stay_apart():
    shown = reference.text("First.\n\n    y' = f(y)\n\n- one\n- two\n  more\n\nThen:\n>>> for i in (1,):\n...     i\n1")
    assert publish_doctree(shown).astext().count("\n\n") >= 5
    assert "   >>> for i in (1,):\n   ...     i\n   1" in shown
    assert "- two more" in shown


def test_signatures_keep_their_shapes_and_lose_self():
    entry = reference.entry("limitlab.solvers", "BrownianPath", SOURCE)
    assert "py:method:: increment(start: float | Times, end: float | Times) -> Float[Tensor, 'batch noise']" in entry
    assert "self" not in entry


def test_a_type_leads_to_its_name_only_where_nothing_else_has_it():
    known = set(reference.unmistakable(SOURCE))
    assert "BrownianPath" in known
    # of trainings and of searches
    assert "Progress" not in known
