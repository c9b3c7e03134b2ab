import os
import subprocess
import sys
from pathlib import Path

import pytest
from training.toy_training import GRID, ShiftBatches, ShiftNet, train_on

from limitlab.training import operator_loss, runs


def test_two_processes_train_as_one_with_twice_the_batch(tmp_path):
    script = Path(__file__).with_name("toy_training.py")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*launch, "distributed", str(tmp_path / "two")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    two = runs.open(tmp_path / "two")
    one, model = runs.create(tmp_path / "one", {}, device="cpu"), ShiftNet()
    options = {"steps": 10, "learning_rate": 1e-2, "run": one, "clip": 1.0, "device": "cpu"}
    list(train_on(model, operator_loss("l2", GRID), ShiftBatches(8), **options))
    # sums in another order: float32 rounding, grown by ten steps of AdamW
    for ours, theirs in zip(one.log, two.log, strict=True):
        assert theirs["losses"] == pytest.approx(ours["losses"], rel=1e-4)
        assert theirs["gradient_norm"] == pytest.approx(ours["gradient_norm"], rel=1e-3)
    together = two.read_model(ShiftNet(seed=1))
    for mine, other in zip(model.parameters(), together.parameters(), strict=True):
        assert float((mine - other).detach().abs().max()) < 1e-4
