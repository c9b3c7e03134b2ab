"""The notebook that begins with a file of functions: `limitlab new FOLDER --data PATH`."""

PARAMETERS = """
data: str = {data}  # the file: .npz, .pt, .mat, .h5, .nc or .zarr
inputs: list[str] = {inputs}  # fields that are given; none: what the file says, or first frames
targets: list[str] = {targets}  # fields that are learned; none: what the file says, or last frames
dims: str = {dims}  # dims of its fields, such as "sample x y", where sizes leave them open
kind: str = {kind}  # points of its axes, where they do not tell: periodic, nodes or cells
width: int = 24  # channels inside the operators [4, 64]
epochs: int = 20  # passes over the functions [1, 1000]
seed: int = 0  # of weights and batches, and of what is kept to test on [0, 1000000]
"""

CELLS = (
    """
# Your functions

A file of yours, operators that learn its map, and a page that says how well. It runs as it is; then change it, one
cell at a time, and run again.

The first cell holds the parameters. `limitlab report first.ipynb -p width=32` runs the notebook with others and writes
a page, `limitlab sweep first.ipynb -p width=8,16,32` compares several.
""",
    PARAMETERS,
    """
## The data

What the file holds, with named axes. Nothing in a file is ever executed. A part of the samples is kept to test on.
""",
    """
import limitlab as ll

learning = ll.experiments.get("operator_learning")
settings = learning.configure(
    "course",
    data=data,
    inputs=tuple(inputs),
    targets=tuple(targets),
    dims=dims,
    kind=kind,
    width=width,
    epochs=epochs,
    seed=seed,
)
settings.functions.dataset
""",
    """
## The operators

A Fourier neural operator, which sees the whole domain, a U-Net, which sees neighbours, and the mean of all answers,
which sees nothing: what does not beat it has not learned. Any `torch.nn.Module` can stand beside them:
`learning = ll.experiments.with_models(learning, mine=module)`.
""",
    """
result = learning.train(settings).finish()
""",
    """
## What they learned

A function that was kept apart: its input, its answer, and what the Fourier neural operator says.
""",
    """
result.figures()["sample"]
""",
    """
errors = result.metrics["relative_l2"].isel(resolution=0).mean(("seed", "sample"))
errors
""",
    """
## The model

One file holds it with its class, its arguments and its normalisation, and no code. `ll.load("fno.safetensors")` has it
back in another process, without the data.
""",
    """
path = result.models["fno", 0].save("fno.safetensors")
ll.saved.about(path)
""",
    """
## The report

What is claimed stands here once: the page shows it, and `limitlab claims first.ipynb --seeds 5` sees whether it holds
at other seeds. Change the claim to one of your own.
""",
    """
fno, unet, mean = (float(errors.sel(model=name)) for name in ("fno", "unet", "mean"))
claims = ll.reports.Claims()
claims.add("error of the Fourier neural operator", baseline=mean, holds=ll.reports.below(fno, mean), publish="fno")
claims.add("error of the U-Net", baseline=mean, here=unet, publish="unet")
claims
""",
)

README = """# Your functions

`limitlab lab first.ipynb` opens the notebook in JupyterLab: your file, operators that learn it, a model, a report.
`limitlab report first.ipynb -p width=32` runs it with another parameter and writes a page into `reports/`.
`limitlab list operators` has more operators, `limitlab list notebooks` the lessons; `limitlab doctor` looks around.
"""
SMOKE = {"width": 8, "epochs": 2}
