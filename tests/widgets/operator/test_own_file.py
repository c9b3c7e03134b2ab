"""The fields in which a reader names a file."""

import numpy as np
import pytest

from limitlab_widgets import OperatorStudio
from limitlab_widgets.operator.own_file import OwnFile


@pytest.fixture
def studio():
    opened = OperatorStudio("burgers", size="smoke")
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path):
    fields = {name: np.random.default_rng(seed).random((12, 16)) for seed, name in enumerate("au")}
    np.savez(tmp_path / "own.npz", x=np.arange(16) / 16, **fields)
    return str(tmp_path / "own.npz")


def test_a_file_is_taken_and_left(studio, path):
    panel = studio.file
    assert panel.leave.layout.display == "none"
    panel.path.value, panel.inputs.value, panel.targets.value, panel.kind.value = f" {path} ", "a", "u", "periodic"
    panel.take.click()
    assert studio.state.file == OwnFile(path, ("a",), ("u",), kind="periodic")
    assert "own.npz: 12 functions on 16 periodic points" in panel.about.value
    assert studio.problem.chooser.disabled
    assert [name for _, name in studio.goal.options] == ["operator"]
    assert studio.options["resolution"].value == 16
    assert studio.summary()[0] == "own.npz"
    panel.leave.click()
    assert studio.state.file is None
    assert not studio.problem.chooser.disabled
    assert len(studio.goal.options) == 2


def test_a_path_that_is_none_is_answered(studio):
    studio.file.path.value = "none.npz"
    studio.file.take.click()
    assert "none.npz must be a NumPy archive; there is none" in studio.state.error
    assert studio.state.file is None


def test_names_are_separated_by_commas_or_spaces():
    assert OwnFile("own.h5", "density, pressure Vx", ["Vx"]).inputs == ("density", "pressure", "Vx")
