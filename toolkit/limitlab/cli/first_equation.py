"""The notebook that begins with an equation: `limitlab new FOLDER`."""

PARAMETERS = """
equation: str = "u_t = -u*u_x + nu*u_xx"  # in t and x, on a circle of length 1
nu: float = 0.02  # viscosity: the smaller, the steeper the fronts [0.005, 1]
functions: int = 100  # functions to learn from [10, 10000]
width: int = 16  # channels inside the models [4, 64]
epochs: int = 20  # passes over the functions [1, 1000]
seed: int = 0  # of functions, weights and batches [0, 1000000]
"""

CELLS = (
    """
# A first experiment

An equation that is typed, functions that it makes, a network that learns them, and a page that says how well. It runs
as it is; then change it, one cell at a time, and run again.

The first cell holds the parameters. `limitlab report first.ipynb -p nu=0.05` runs the notebook with others and writes a
page, `limitlab sweep first.ipynb -p width=8,16,32` compares several.
""",
    PARAMETERS,
    """
## The equation

A text with its parameters. Type another one, such as `"u_t = nu*u_xx + u - u^3"`, and name its parameters below; what
cannot be read is answered with what can. `ll.problems.names()` has many that are written already.
""",
    """
import torch

import limitlab as ll

problem = ll.problems.parse(equation, {"nu": nu}, span=0.5)
problem
""",
    """
## The data

Every function starts from a random curve and is solved until the end. To learn is the map from start to end. The arrays
have named axes, and are made once: the next run finds them stored. Look at one of them from start to end.
""",
    """
data = problem.dataset(functions, seed=seed, resolution=64)
ll.figures.space_time(data["u"].isel(sample=0), title="One of the functions")
""",
    """
## The model

A network of yours: any `torch.nn.Module` that takes (batch, channel, x) and gives as much back. This one sees five
neighbours twice. It is trained beside a Fourier neural operator, which sees the whole circle, and both beside the mean
of all answers, which sees nothing: what does not beat it has not learned.
""",
    """
def mine(task):
    return torch.nn.Sequential(
        torch.nn.Conv1d(task.in_channels, width, 5, padding=2, padding_mode="circular"),
        torch.nn.GELU(),
        torch.nn.Conv1d(width, task.out_channels, 5, padding=2, padding_mode="circular"),
    )


settings = ll.experiments.OperatorSettings(
    models=("fno", "mean"),
    train_samples=functions,
    test_samples=20,
    resolution=64,
    test_resolutions=(64, 128),
    batch_size=10,
    modes=16,
    width=width,
    epochs=epochs,
    seeds=1,
    seed=seed,
)
experiment = ll.experiments.operator_learning(
    system="nns-to-nos", title="My equation", problem=problem, sizes={"course": settings}
)
experiment = ll.experiments.with_models(experiment, mine=mine)
result = experiment.train(settings).finish()
""",
    """
## What it learned

A test function that no model has seen: its start, its end, and what the Fourier neural operator says. Then the errors
of all models, on the grid that they have seen and on a finer one. Where a model means the same function on both, its
line is flat.
""",
    """
result.figures()["sample"]
""",
    """
result.figures()["resolution"]
""",
    """
## The report

What is claimed stands here once: the page shows it, and `limitlab claims first.ipynb --seeds 5` sees whether it holds
at other seeds. Change the claim to one of your own.
""",
    """
errors = result.metrics["relative_l2"].sel(resolution=64).mean(("seed", "sample"))
fno, own, mean = (float(errors.sel(model=name)) for name in ("fno", "mine", "mean"))
claims = ll.reports.Claims()
claims.add("error of the Fourier neural operator", baseline=mean, holds=ll.reports.below(fno, mean), publish="fno")
claims.add("error of mine", baseline=fno, here=own, publish="mine")
claims
""",
)

README = """# A first experiment

`limitlab lab first.ipynb` opens the notebook in JupyterLab: an equation, its functions, a model, a report.
`limitlab report first.ipynb -p nu=0.05` runs it with another parameter and writes a page into `reports/`.
`limitlab list problems` has more equations, `limitlab list notebooks` the lessons; `limitlab doctor` looks around.
"""
SMOKE = {"functions": 20, "width": 8, "epochs": 2}
