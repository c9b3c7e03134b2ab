"""A run that is killed and resumed from the command line ends like one that was not."""

import json
import os
import signal
import subprocess
import sys
import time

OPTIONS = ["--size", "smoke", "-o", "models=fno", "-o", "epochs=40", "-o", "train_samples=40", "-o", "batch_size=10"]


def limitlab(folder, home, *more):
    command = [sys.executable, "-m", "limitlab.cli", "run", "burgers_fno", *OPTIONS, "--folder", str(folder), *more]
    environment = {**os.environ, "LIMITLAB_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def losses(folder):
    lines = (folder / "fno" / "seed-0" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [(record["step"], record["losses"]) for record in map(json.loads, lines)]


def test_kill_in_training_then_resume_gives_the_log_of_an_uninterrupted_run(tmp_path):
    whole, parted, home = tmp_path / "whole", tmp_path / "parted", tmp_path / "home"
    assert limitlab(whole, home).wait(timeout=120) == 0
    process = limitlab(parted, home)
    log = parted / "fno" / "seed-0" / "log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and len(log.read_text(encoding="utf-8").splitlines()) > 40):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (parted / "metrics.nc").exists()

    again = limitlab(parted, home)
    assert "already holds a run" in again.communicate(timeout=120)[0]
    assert again.returncode == 2
    resumed = limitlab(parted, home, "--resume")
    assert resumed.wait(timeout=120) == 0
    assert losses(parted) == losses(whole)
    assert len(losses(whole)) == 160
