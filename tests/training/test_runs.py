import json

import pytest
import torch
import xarray as xr
from torch import nn

from limitlab.errors import InvalidArgument, LimitlabError
from limitlab.training import runs

SETTINGS = {"modes": 8, "loss": "l2", "resolution": [16, 16]}


@pytest.fixture
def run(tmp_path):
    return runs.create(tmp_path / "run", SETTINGS, "burgers_fno", 3, device="cpu")


def test_opened_run_is_the_created_one(run):
    found = runs.open(run.folder)
    assert found == run
    assert (found.settings, found.experiment, found.seed) == (SETTINGS, "burgers_fno", 3)


def test_environment_says_what_a_result_depends_on(run):
    environment = run.environment
    assert environment["torch"] == torch.__version__
    assert environment["device"] == "cpu"
    assert environment["threads"] == torch.get_num_threads()
    assert environment.keys() >= {"python", "limitlab", "commit", "seed", "created"}


def test_folder_that_holds_a_run_is_refused_and_resumed_on_demand(run):
    with pytest.raises(InvalidArgument, match="already holds a run"):
        runs.create(run.folder, SETTINGS, "burgers_fno", 3)
    assert runs.create(run.folder, SETTINGS, "burgers_fno", 3, resume=True) == run


def test_resuming_with_other_settings_names_them(run):
    with pytest.raises(InvalidArgument, match=r"modes \(8 there, 12 now\), seed \(3 there, 4 now\)"):
        runs.create(run.folder, SETTINGS | {"modes": 12}, "burgers_fno", 4, resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_folder_of_somebody_elses_work_is_left_alone(tmp_path, resume):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InvalidArgument, match=r"not empty \(it holds 'thesis.tex'\)"):
        runs.create(tmp_path, SETTINGS, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_run_that_died_while_it_was_created_can_be_created(tmp_path):
    (tmp_path / "environment.json").write_text("{}")
    (tmp_path / ".settings.json.part").write_text("{")
    assert runs.create(tmp_path, SETTINGS, resume=True).settings == SETTINGS


def test_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InvalidArgument, match="is a file"):
        runs.create(tmp_path / "run", SETTINGS)


def test_settings_that_json_cannot_hold_are_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="settings"):
        runs.create(tmp_path / "run", {"model": nn.Linear(1, 1)})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "message"), [("", "no settings.json"), ("missing", "no such folder")])
def test_opening_what_is_no_run_says_why(tmp_path, name, message):
    with pytest.raises(InvalidArgument, match=message):
        runs.open(tmp_path / name)


def test_metrics_come_back(run):
    with pytest.raises(InvalidArgument, match="no metrics yet"):
        _ = run.metrics
    metrics = xr.Dataset({"error": (("model", "seed"), [[0.1, 0.2]], {"long_name": "relative L2"})}, {"model": ["fno"]})
    run.write_metrics(metrics)
    run.write_metrics(metrics)
    xr.testing.assert_identical(run.metrics, metrics)


def test_children_keep_apart_and_share_the_settings(run):
    for name in ("fno/seed-0", "fno/seed-1", "unet/seed-0"):
        run.child(name).append_log([{"step": 1, "losses": {"relative_l2": 0.5}}])
    run.child("fno").child("seed-0").write_model(nn.Linear(2, 2))
    assert run.children == ("fno/seed-0", "fno/seed-1", "unet/seed-0")
    assert run.log == []
    assert run.child("unet/seed-0").settings == SETTINGS
    assert (run.folder / "fno" / "seed-0" / "model.safetensors").exists()
    with pytest.raises(InvalidArgument, match="it has models fno/seed-0"):
        run.read_model(nn.Linear(2, 2))


@pytest.mark.parametrize("name", ["../elsewhere", "/absolute", "", "a//b", "a/../b", ".hidden", "fno/checkpoints"])
def test_child_stays_inside_its_run(run, name):
    with pytest.raises(InvalidArgument, match="model's name"):
        run.child(name)


def test_half_written_last_line_is_tolerated_and_cut_on_resuming(run):
    run.append_log([{"step": step, "losses": {"l2": 1 / step}} for step in (1, 2, 3, 4)])
    with (run.folder / "log.jsonl").open("a") as file:
        file.write('{"step": 5, "los')
    assert [record["step"] for record in run.log] == [1, 2, 3, 4]
    run.truncate_log(2)
    run.append_log([{"step": 3, "losses": {"l2": 0.0}}])
    lines = (run.folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]


def test_broken_line_inside_the_log_is_reported(run):
    (run.folder / "log.jsonl").write_text('{"step": 1}\nnot json\n{"step": 3}\n')
    with pytest.raises(LimitlabError, match="line 2"):
        _ = run.log


def test_repr_shows_what_the_run_holds(run):
    run.child("fno/seed-0").append_log([{"step": 200, "losses": {"relative_l2": 0.01234}}])
    run.write_metrics(xr.Dataset({"error": 0.1}))
    shown = repr(run)
    for piece in ("burgers_fno", "seed 3", "modes=8", "torch", "fno/seed-0", "step 200: relative_l2 0.0123", "error"):
        assert piece in shown
