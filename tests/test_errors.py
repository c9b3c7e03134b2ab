import pytest

from limitlab.errors import UnknownName, one_of


def test_one_of_gives_the_name_back():
    assert one_of("gradient", "adjoint", ("direct", "adjoint")) == "adjoint"


@pytest.mark.parametrize("name", ["ajoint", 3, None, ["adjoint"]])
def test_one_of_names_what_it_knows(name):
    with pytest.raises(UnknownName, match=r"unknown gradient .*; .*known: adjoint, direct"):
        one_of("gradient", name, ("direct", "adjoint"))
