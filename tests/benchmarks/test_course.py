"""The table of what the experiments reach at their course size."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from limitlab import experiments
from limitlab.errors import InvalidArgument


@pytest.fixture(scope="module")
def course():
    """The script beside this file, which is in no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        yield importlib.import_module("course")


@pytest.fixture(scope="module")
def asked(course):
    return importlib.import_module("course_figures")


def record(value, seed=0, **changed):
    """One of the smallest figure's records, as a file holds it."""
    key = {"run": "annuli_ernode", "figure": "calls of a solve, over plain", "seed": seed}
    return {**key, "value": value, "ours": 100 * value, "baseline": 100.0, "cpu_seconds": 60.0, **changed}


def stored(course, folder, *records):
    path = folder / "course.json"
    path.write_text(json.dumps(records))
    return course.read(path)


def test_every_figure_is_of_a_run_and_every_run_of_an_experiment_with_these_settings(course):
    assert {figure.run for figure in course.FIGURES} == set(course.RUNS)
    keys = [(figure.run, figure.name) for figure in course.FIGURES]
    assert len(set(keys)) == len(keys)
    for run in course.RUNS.values():
        experiments.get(run.experiment).configure("course", **run.options)


def test_the_table_has_mean_least_and_largest_of_a_stored_file(course, tmp_path):
    lines = list(course.table(stored(course, tmp_path, record(0.2), record(0.3, 1), record(0.4, 2))))
    assert len(lines) == 3
    cells = [cell.strip() for cell in lines[-1].strip("|").split("|")]
    assert cells[3:9] == ["<= 0.4", "0.3", "0.2 to 0.4", "30", "100", "0, 1, 2"]
    assert cells[-1] == "reached"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [((0.4,), "reached"), ((0.2, 0.5), "reached in the mean"), ((0.3, 0.6), "not reached")],
)
def test_a_figure_is_reached_by_its_mean(course, tmp_path, values, verdict):
    rows = [record(value, seed) for seed, value in enumerate(values)]
    assert list(course.table(stored(course, tmp_path, *rows)))[-1].strip("|").split("|")[-1].strip() == verdict


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"run": "annuli_ernode", "seed": 0}], "a record needs"),
        ([record(float("nan"))], "finite"),
        ([record("0.3")], "finite"),
        ([record(0.3, 0.5)], "whole number"),
        ([record(0.3, figure="beauty")], "no figure 'beauty' of 'annuli_ernode'"),
        ([record(0.3), record(0.4)], "twice with seed 0"),
        (["0.3"], "a record needs"),
    ],
)
def test_broken_records_are_refused(course, tmp_path, rows, message):
    with pytest.raises(InvalidArgument, match=message):
        stored(course, tmp_path, *rows)


def test_what_is_stored_here_is_whole(course):
    rows = course.read(course.RESULTS)
    assert rows
    for run, seed in {(row["run"], row["seed"]) for row in rows}:
        figures = {row["figure"] for row in rows if (row["run"], row["seed"]) == (run, seed)}
        assert figures == {figure.name for figure in course.figures_of(run)}


def test_figures_are_read_beside_the_best_rival(asked):
    numbers = {"ours": 2.0, "good": 4.0, "better": 3.0}
    metrics = xr.Dataset({"error": ("model", list(numbers.values()))}, {"model": list(numbers)})
    least = asked.over("error", "ours", "good", "better")(metrics)
    assert (least.value, least.ours, least.baseline) == (2 / 3, 2.0, 3.0)
    assert asked.lead("error", "ours", "good", "better")(metrics).value == -2.0
    assert asked.second_lead("error", ("ours", "good"), "better")(metrics).value == -1.0
    assert asked.off("error", "ours", 1.0)(metrics).value == 1.0
    assert asked.value("error", "ours")(metrics).baseline is None
    assert asked.grown("error", "before", "ours")(metrics.assign(before=metrics["error"] + 2)).value == 0.5


def test_only_what_is_as_fast_counts_within_a_share_of_the_time(asked):
    accuracy, time = np.array([[[0.8, 0.9, 0.95], [0.3, 0.5, 0.9]]]), np.array([[[0.05, 0.1, 0.2], [0.05, 0.1, 0.2]]])
    dims = ("model", "reduction", "size")
    metrics = xr.Dataset(
        {"accuracy": (dims, accuracy), "time": (dims, time), "full_accuracy": ("model", [0.96])},
        {"model": ["convolutional"], "reduction": ["ours", "prune"], "size": [8, 16, 32]},
    )
    assert asked.in_time("ours", "prune", 0.15)(metrics).value == 0.9
    assert asked.in_time("ours", "prune", 0.15, lead=True)(metrics).value == pytest.approx(0.4)
    assert asked.lost("convolutional", "ours", 32, "prune")(metrics).value == pytest.approx(0.01)
