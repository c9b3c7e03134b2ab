import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training.toy_training import GRID, ShiftBatches, ShiftNet, train_noisy, train_on

from limitlab.errors import InvalidArgument
from limitlab.training import checkpoints, operator_loss, runs


def losses_of(run):
    return [(record["step"], record["losses"]) for record in run.log]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    run = runs.create(tmp_path_factory.mktemp("whole") / "run", {}, device="cpu")
    list(train_noisy(run))
    return run


def test_killed_training_resumes_to_exactly_the_losses_of_an_uninterrupted_one(tmp_path, uninterrupted):
    script = Path(__file__).with_name("toy_training.py")
    child = subprocess.run([sys.executable, str(script), "killed", str(tmp_path / "run")], timeout=120, check=False)
    assert child.returncode == -signal.SIGKILL
    killed = runs.open(tmp_path / "run")
    assert losses_of(killed) == losses_of(uninterrupted)[:25]
    assert next(iter(train_noisy(killed, resume=True))).step == 22
    assert [progress.step for progress in train_noisy(killed, resume=True)] == list(range(23, 41))
    assert losses_of(killed) == losses_of(uninterrupted)
    weights = [run.read_model(ShiftNet()).state_dict() for run in (killed, uninterrupted)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, uninterrupted, damage):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    training = train_noisy(run)
    for _ in range(23):
        next(training)
    training.close()
    newest = checkpoints.paths(run.checkpoints)[-1]
    content = newest.read_bytes()
    middle = len(content) * 3 // 4
    newest.write_bytes(
        {
            "truncated": content[:middle],
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "empty": b"",
        }[damage]
    )
    with pytest.warns(RuntimeWarning, match="going back to the checkpoint of step 21"):
        list(train_noisy(run, resume=True))
    assert losses_of(run) == losses_of(uninterrupted)


def test_training_without_one_good_checkpoint_says_so(tmp_path):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    training = train_noisy(run)
    next(training)
    training.close()
    for path in checkpoints.paths(run.checkpoints):
        path.write_bytes(b"nonsense")
    with pytest.raises(checkpoints.DamagedFile, match=r"no checkpoint in .* can be read"):
        next(train_noisy(run, resume=True))


def test_run_killed_before_its_first_checkpoint_resumes_from_the_start(tmp_path, uninterrupted):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    run.append_log([{"step": 1, "losses": {"relative_l2": 9.0}}])
    list(train_noisy(run, resume=True))
    assert losses_of(run) == losses_of(uninterrupted)


def test_half_written_checkpoint_is_none(tmp_path):
    model = ShiftNet()
    optimizer = torch.optim.AdamW(model.parameters())
    checkpoints.save(tmp_path, 3, model, optimizer, {})
    (tmp_path / ".step-00000007.safetensors.part").write_bytes(b"half")
    assert checkpoints.latest(tmp_path).step == 3


def test_two_newest_checkpoints_stay(tmp_path):
    model = ShiftNet()
    optimizer = torch.optim.AdamW(model.parameters())
    for step in (5, 10, 15, 20):
        checkpoints.save(tmp_path, step, model, optimizer, {})
    assert [path.stem for path in checkpoints.paths(tmp_path)] == ["step-00000015", "step-00000020"]


def test_checkpoints_hold_no_pickle(uninterrupted):
    content = checkpoints.paths(uninterrupted.checkpoints)[-1].read_bytes()
    length = int.from_bytes(content[:8], "little")
    about = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["limitlab"])
    assert about["header"]["step"] == 40
    assert "model.spectrum" in about["complex"]
    assert "optimizer.0.exp_avg" in about["complex"]


def test_random_state_comes_back_through_json():
    def draws():
        return torch.rand(3).tolist(), np.random.randn(3).tolist(), random.gauss(0, 1), random.random()  # noqa: NPY002

    checkpoints.seed_everything(7)
    random.gauss(0, 1)
    np.random.randn()  # noqa: NPY002
    state = json.loads(json.dumps(checkpoints.random_state()))
    first = draws()
    checkpoints.set_random_state(state)
    assert draws() == first


def test_gradient_descent_without_state_resumes_exactly(tmp_path):
    losses = []
    for interrupted in (False, True):
        run = runs.create(tmp_path / str(interrupted), {}, device="cpu")
        options = {"steps": 9, "optimizer": "sgd", "learning_rate": 0.1, "run": run, "device": "cpu"}
        training = train_on(ShiftNet(), operator_loss("l2", GRID), ShiftBatches(), **options)
        if interrupted:
            for _ in range(4):
                next(training)
            training.close()
            training = train_on(ShiftNet(seed=3), operator_loss("l2", GRID), ShiftBatches(), resume=True, **options)
        list(training)
        losses.append(losses_of(run))
    assert losses[0] == losses[1]


def test_resuming_another_recipe_is_refused(uninterrupted):
    training = train_on(
        ShiftNet(), operator_loss("l2", GRID), ShiftBatches(), steps=40, run=uninterrupted, resume=True, device="cpu"
    )
    with pytest.raises(InvalidArgument, match=r"another training \(learning_rate was 0.01, is 0.001"):
        next(training)


@pytest.mark.parametrize(
    ("other", "message"), [(nn.Linear(2, 2), "has no"), (nn.Conv1d(1, 4, 5), r"'weight' is \(4, 1, 3\) there")]
)
def test_weights_of_another_model_are_refused(tmp_path, other, message):
    run = runs.create(tmp_path / "run", {}, device="cpu")
    run.write_model(nn.Conv1d(1, 4, 3) if isinstance(other, nn.Conv1d) else nn.Linear(2, 2, bias=False))
    with pytest.raises(InvalidArgument, match=message):
        run.read_model(other)


def test_tied_weights_are_stored(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    run = runs.create(tmp_path / "run", {}, device="cpu")
    run.write_model(model)
    fresh = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert torch.equal(run.read_model(fresh)[1].weight, model[0].weight)
