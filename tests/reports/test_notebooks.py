"""What a notebook says of itself: its parameters of a quick run, and the answers of its exercises."""

import pytest

from limitlab.errors import InvalidArgument
from limitlab.reports import notebooks

STUB = {"cell_type": "code", "metadata": {"limitlab": {"answer": "x = 2"}}, "source": "x = None  # a number"}
CHECK = {
    "cell_type": "code",
    "metadata": {},
    "source": ["if x is None:\n", '    print("not answered yet")\n', "else:\n", "    print(x == 2)"],
    "outputs": [{"output_type": "stream", "text": ["not answered ", "yet\n"]}, {"output_type": "display_data"}],
}
NOTEBOOK = {"metadata": {"limitlab": {"smoke": {"seed": 1}}}, "cells": [STUB, CHECK], "nbformat": 4}


def test_smoke_parameters_are_those_of_the_metadata():
    assert notebooks.smoke_parameters(NOTEBOOK) == {"seed": 1}


@pytest.mark.parametrize("metadata", [{}, {"limitlab": {}}, {"limitlab": {"smoke": {}}}])
def test_a_notebook_without_smoke_parameters_is_refused(metadata):
    with pytest.raises(InvalidArgument, match=r"limitlab\.smoke"):
        notebooks.smoke_parameters({"metadata": metadata, "cells": []})


def test_an_answered_notebook_takes_the_other_branch_and_leaves_the_original_as_it_is():
    first, second = notebooks.answered(NOTEBOOK)["cells"]
    namespace = {}
    exec(first["source"], namespace)
    assert namespace["x"] == 2
    assert second["source"] == "".join(CHECK["source"])
    assert STUB["source"].startswith("x = None")


def test_checks_are_found_by_what_they_say():
    assert notebooks.checks(NOTEBOOK) == (CHECK,)
    assert notebooks.printed(CHECK) == "not answered yet\n"
