from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments import Settings, option


@dataclass(frozen=True)
class Example(Settings):
    modes: int = option(8, "modes", low=2, high=64)
    rate: float = option(0.1, "rate", low=0.0)
    loss: str = option("l2", "loss", choices=("l2", "h1"))
    sizes: tuple[int, ...] = option((16, 32), "sizes", low=4)
    fast: bool = option(False, "fast")


@given(
    modes=st.integers(2, 64),
    rate=st.floats(0, 1e6),
    loss=st.sampled_from(["l2", "h1"]),
    sizes=st.lists(st.integers(4, 999), min_size=1).map(tuple),
    fast=st.booleans(),
)
def test_text_of_a_value_reads_back_as_the_value(modes, rate, loss, sizes, fast):
    values = {"modes": modes, "rate": rate, "loss": loss, "sizes": sizes, "fast": fast}
    text = {key: str(value) for key, value in values.items()}
    assert Example().with_options(**text) == Example(**values)


@given(text=st.text(max_size=40), name=st.sampled_from(["modes", "rate", "loss", "sizes", "fast"]))
def test_any_text_is_read_or_refused_clearly(text, name):
    outcome = name
    try:
        Example().with_options(**{name: text})
    except InvalidArgument as error:
        outcome = str(error)
    assert name in outcome


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modes": 1}, "modes must be a whole number >= 2 <= 64; got 1"),
        ({"modes": 8.5}, "modes must be a whole number"),
        ({"modes": True}, "modes must be a whole number"),
        ({"modes": "eight"}, "modes must be a whole number; got 'eight'"),
        ({"rate": float("nan")}, "rate must be a number"),
        ({"rate": "1" * 2000}, "rate must be shorter"),
        ({"sizes": "16,two"}, "sizes must be a whole number; got 'two'"),
        ({"sizes": (2,)}, "sizes must be a whole number >= 4"),
        ({"fast": "yes"}, "fast must be true or false"),
    ],
)
def test_bad_values_are_refused_by_name(change, message):
    with pytest.raises(InvalidArgument, match=message.replace("(", r"\(")):
        Example().with_options(**change)


@pytest.mark.parametrize("values", [(), (1, 2, 1), "1,1"])
def test_an_axis_of_a_grid_has_different_entries_one_or_more(values):
    with pytest.raises(InvalidArgument, match="widths must hold different entries, one or more"):
        experiments.get("ntk_circle").configure("smoke", widths=values)


def test_misspelt_names_get_the_nearest_one():
    with pytest.raises(UnknownName, match="unknown setting 'mode'; did you mean 'modes'"):
        Example().with_options(mode=4)
    with pytest.raises(UnknownName, match="did you mean 'darcy_fno'"):
        experiments.get("darcy-fno")
    with pytest.raises(UnknownName, match="did you mean 'course'"):
        experiments.get("darcy_fno").configure("coarse")
    with pytest.raises(UnknownName, match="choice of loss"):
        Example().with_options(loss="l3")


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_has_three_sizes_and_explains_its_options(name):
    experiment = experiments.get(name)
    assert experiment.name == name
    assert tuple(experiment.sizes) == experiments.SIZES
    assert all(option.help for option in experiment.options())


def test_settings_that_contradict_each_other_are_refused():
    darcy = experiments.get("darcy_fno")
    with pytest.raises(InvalidArgument, match="must divide the finest"):
        darcy.configure("course", test_resolutions=(16, 24))
    with pytest.raises(InvalidArgument, match="batch_size must be <= train_samples"):
        darcy.configure("course", batch_size=600)
    with pytest.raises(InvalidArgument, match="must not be empty"):
        darcy.configure("course", models=())


def test_numbers_and_arrays_of_numpy_are_those_of_python():
    settings = Example(modes=np.int64(16), rate=np.float64(0.25), sizes=np.array([4, 8]))
    assert settings == Example(modes=16, rate=0.25, sizes=(4, 8))
    assert {type(settings.modes), type(settings.rate), *map(type, settings.sizes)} == {int, float}
