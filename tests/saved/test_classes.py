"""A name in a file means a class of the library, or one that its reader has defined, and nothing else."""

import pytest

import limitlab as ll
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.operators.waves.shift_sinenet import Mover
from limitlab.saved import Saved, class_of, name_of


@pytest.mark.parametrize("cls", [row.model for row in ll.operators.OPERATORS.values()], ids=lambda cls: cls.__name__)
def test_an_operator_is_named_by_its_package(cls):
    assert name_of(cls) == f"operators.{cls.__name__}"
    assert class_of(name_of(cls)) is cls


def test_a_class_that_no_package_shows_is_named_by_its_module():
    assert name_of(ll.operators.Compression) == "layers.factorized.Compression"
    assert class_of("layers.factorized.Compression") is ll.operators.Compression


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "torch.load",
        "cli.__main__.main",
        "training.runs.Run",
        "data.store.Path",
        "operators.catalogue.build",
        "operators.fno.torch",
        "operators.fno.nn.Module",
        "operators..FNO",
        ".operators.FNO",
        "operators/FNO",
        "operators.../FNO",
        "operators.mgno.VCycle.__init__",
        "neural_des.no_such_module.Thing",
        "problems.ode._private.Thing",
        "experiments.shift_sinenet.ShiftSettings",
        "experiments.get",
        "experiments.places",
        "training.Recipe",
        "",
        None,
        3,
        ["operators.FNO"],
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(UnknownName, match="unknown class"):
        class_of(name)


def test_a_model_of_an_experiment_is_named_by_it_whatever_folder_it_lies_in():
    assert name_of(Mover) == "experiments.shift_sinenet.Mover"
    assert class_of(name_of(Mover)) is Mover


def test_a_mistyped_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean 'operators\.MgNO'"):
        class_of("operators.MgN0")


def test_a_class_that_is_defined_again_takes_the_place_of_the_first(tmp_path):
    def define():
        class Twice(Saved):
            """Defined as a cell that runs again defines it."""

        return Twice

    first, second = define(), define()
    assert class_of("Twice") is second
    with pytest.raises(InvalidArgument, match="another class Twice was defined after"):
        first().save(tmp_path)
    assert isinstance(ll.load(second().save(tmp_path)), second)
