"""Every notebook: its form, and a report with other parameters at smoke size (nbval holds the stored outputs)."""

import json
import re
from pathlib import Path

import pytest

from limitlab import reports
from limitlab.reports.parameters import read_parameters

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SMOKE = {
    "00-start-here.ipynb": {"seed": 1, "deepest": 32, "finest": 64, "widest": 64},
    "neural_des/02-noise.ipynb": {
        "seed": 1,
        "problem": "ginzburg_landau",
        "sigma": 0.6,
        "paths": 100,
        "coarsest_level": 3,
        "finest_level": 5,
        "weak_paths": 1000,
        "adaptive_paths": 8,
        "round_trip_steps": 100,
        "ensemble": 200,
    },
    "neural_des/01-solvers-and-their-steps.ipynb": {
        "seed": 1,
        "problem": "fitzhugh_nagumo",
        "rtol": 1e-3,
        "samples": 4,
        "halvings": 1,
        "methods": ["dopri5", "rosenbrock23"],
        "tolerances": [1e-2, 1e-3],
        "dampings": [10.0],
        "mu": 300.0,
        "periods": 4,
        "there_and_back": 500,
        "most_steps": 64,
        "section_time": 20.0,
    },
    "infinite_width/01-networks-as-gaussian-processes.ipynb": {
        "seed": 1,
        "activation": "relu",
        "hidden": 1,
        "widths": [4, 16, 64],
        "networks": 20,
        "ensemble": 10,
        "deepest": 4,
    },
    "infinite_width/02-neural-tangent-kernel.ipynb": {
        "seed": 1,
        "seeds": 2,
        "widths": [16, 64],
        "steps": 40,
        "kernel_widths": [16, 64],
        "kernel_seeds": 2,
        "train_samples": 200,
        "splits": 1,
    },
    "infinite_width/03-training-as-a-linear-ode.ipynb": {
        "seed": 1,
        "seeds": 2,
        "narrow": 16,
        "widest": 64,
        "steps": 40,
        "pinn_frequencies": [1],
        "pinn_steps": 40,
        "pinn_seeds": 1,
    },
    "infinite_width/04-feature-learning.ipynb": {
        "seed": 1,
        "activation": "tanh",
        "regime_widths": [16, 32],
        "regime_seeds": 1,
        "check_widths": [64, 96],
        "check_seeds": 1,
        "sweep_widths": [64, 96],
        "octaves": [-9, -7, -5],
        "steps": 5,
        "seeds": 1,
    },
    "infinite_width/05-infinite-width-word2vec-and-maml.ipynb": {
        "seed": 1,
        "sentences": 400,
        "widths": [4, 16],
        "scarce_sentences": 200,
        "text_words": 100,
        "text_epochs": 1,
        "maml_widths": [4, 16],
        "maml_kernels": ["linear_ntk"],
        "maml_steps": 20,
    },
    "operators/08-fourier-neural-operator.ipynb": {
        "seed": 1,
        "seeds": 1,
        "train_samples": 20,
        "test_samples": 4,
        "epochs": 1,
        "modes": 6,
        "width": 4,
        "layers": 2,
        "burgers_epochs": 1,
    },
}
LARGEST = 400_000


def notebook(name):
    return json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))


def test_every_notebook_is_tested_at_smoke_size():
    found = {
        str(path.relative_to(NOTEBOOKS))
        for path in NOTEBOOKS.rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    }
    assert found == set(SMOKE)


@pytest.mark.parametrize("name", SMOKE)
def test_form(name):
    cells = notebook(name)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert cells[0]["source"][0].startswith("# ")
    assert code[0]["metadata"]["tags"] == ["parameters"]
    assert all(parameter.help for parameter in read_parameters(notebook(name)))
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), "stored outputs of a clean run"
    assert any(cell["source"][0].startswith("# NBVAL_CHECK_OUTPUT") for cell in code)
    assert (NOTEBOOKS / name).stat().st_size < LARGEST


@pytest.mark.parametrize("name", SMOKE)
def test_stored_outputs_hold_no_errors_and_no_paths_of_a_machine(name):
    outputs = [output for cell in notebook(name)["cells"] for output in cell.get("outputs", [])]
    assert all(output["output_type"] != "error" for output in outputs)
    text = json.dumps([output.get("text", output.get("data", {}).get("text/plain")) for output in outputs])
    assert not re.search(r"/(home|root|work|tmp|Users)/", text)


@pytest.mark.parametrize("name", SMOKE)
def test_report_with_other_parameters(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    made = reports.report(NOTEBOOKS / name, SMOKE[name], folder=tmp_path, progress=False)
    assert made.page is not None
    assert "<html" in made.page.read_text(encoding="utf-8")[:200]
