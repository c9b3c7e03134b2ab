"""An operator as a graph of torch.export or of ONNX, for batches of any size and, where it maps functions, any grid.

An operator between functions has one set of weights for every grid, and its graph has the sizes of the grid as symbols.
An operator that is tied to a spacing is another map on another grid, and one that is fixed takes no other: their graph
has the grid of the example.

ONNX has no complex numbers: there a spectral convolution is the same map by real matrix products.
"""

from __future__ import annotations

import copy
import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from limitlab.atomic import replacing
from limitlab.errors import InvalidArgument
from limitlab.layers.real_spectral_convolution import RealSpectralConv
from limitlab.layers.spectral_convolution import SpectralConv

# the module, which is still being filled when it looks for rows here
from limitlab.operators import catalogue

NOT_FREE = {
    "mean": "its field is answered as it is on its own grid, and interpolated on every other: these are two graphs",
}
"""Operators that answer on any grid, and that torch cannot write down for all of them at once; with the reason."""


def export(
    model: nn.Module,
    example: Float[Tensor, "batch in_channels *grid"],
    path: str | os.PathLike[str] | None = None,
    *,
    any_grid: bool = True,
) -> ExportedProgram:
    """The graph of the model, evaluated as it is: `program.module()(u)` is `model(u)`, and path, a file, holds it.

    path: a .pt2 file, which torch reads, or an .onnx file for other runtimes, with input "u" and output "v", which the
    extra `export` writes (float32 is best there: onnxruntime has no GELU in float64). any_grid: for other grids than
    the example's; False for that of the example alone, with batches of any size. Raises InvalidArgument that names an
    operator which is tied to its grid, or whose graph cannot be written down.

    >>> model, u = ll.operators.Persistence(), torch.rand(2, 3, 8)
    >>> program = ll.operators.export(model, u, "persistence.pt2")
    >>> torch.equal(program.module()(torch.ones(5, 3, 20)), torch.ones(5, 1, 20))
    True
    """
    if not isinstance(example, Tensor) or not 3 <= example.ndim <= 5:
        got = tuple(example.shape) if isinstance(example, Tensor) else type(example).__name__
        raise InvalidArgument(f"example must be a tensor (batch, in_channels, *grid); got {got}")
    file = None if path is None else Path(path)
    if file is not None and file.suffix not in WRITERS:
        raise InvalidArgument(f"path must end in {' or '.join(WRITERS)}; got {str(path)!r}")
    if file is not None and file.suffix == ".onnx":
        _require_onnx()
        model = in_real_numbers(model)
    if any_grid:
        _require_free(model)
    # torch takes a size of one for one that is always one
    example = example if len(example) > 1 else torch.cat([example, example])
    free = (0, *range(2, example.ndim)) if any_grid else (0,)
    was_training = model.training
    try:
        program = torch.export.export(model.eval(), (example,), dynamic_shapes=(dict.fromkeys(free, Dim.DYNAMIC),))
    except (RuntimeError, ValueError, TypeError, torch._dynamo.exc.TorchDynamoException) as error:
        sizes = "any grid; any_grid=False takes that of the example" if any_grid else "its grid"
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InvalidArgument(f"{type(model).__name__} cannot be exported for {sizes}: {lines[0]:.200}") from error
    finally:
        model.train(was_training)
    if any_grid:
        _require_other_grid(program, model, example)
    if file is not None:
        with replacing(file) as temporary:
            WRITERS[file.suffix](program, temporary)
    return program


def _require_free(model: nn.Module) -> None:
    """Raise InvalidArgument where the model is or holds an operator of one grid."""
    hint = "any_grid=False exports it for the grid of the example"
    points: Any = catalogue.points_of(model)
    if points is not None:
        raise InvalidArgument(f"{type(model).__name__} takes the grid {points} alone; {hint}")
    for module in model.modules():
        for row in catalogue.OPERATORS.values():
            if type(module) is not row.model:
                continue
            if row.tied:
                raise InvalidArgument(f"{row.name} is tied to the spacing of its grid; {hint}")
            if row.name in NOT_FREE:
                raise InvalidArgument(f"{row.name} cannot be exported for any grid: {NOT_FREE[row.name]}; {hint}")


def _require_other_grid(program: ExportedProgram, model: nn.Module, example: Tensor) -> None:
    """Raise InvalidArgument where the graph holds for the example's grid alone, as torch may find it to be."""
    finer = example.repeat(1, 1, *[2] * (example.ndim - 2))
    try:
        program.module()(finer)
    except (AssertionError, RuntimeError) as error:
        raise InvalidArgument(
            f"{type(model).__name__} cannot be exported for any grid, since its graph refuses {tuple(finer.shape[2:])};"
            f" any_grid=False exports it for the grid of the example: {error!s:.200}"
        ) from error


def in_real_numbers(model: nn.Module) -> nn.Module:
    """A copy of the model whose spectral convolutions have no complex numbers; the model where it has none of these.

    >>> from limitlab.operators.deployment.export import in_real_numbers
    >>> fno = ll.operators.FNO(1, 1, (4,), width=4, layers=1)
    >>> real = in_real_numbers(fno)
    >>> torch.allclose(real(torch.ones(1, 1, 8)), fno(torch.ones(1, 1, 8)), atol=1e-5)
    True
    """
    if not any(type(module) is SpectralConv for module in model.modules()):
        return model
    real = copy.deepcopy(model)
    for module in list(real.modules()):
        for name, part in module.named_children():
            if type(part) is SpectralConv:
                setattr(module, name, RealSpectralConv(part))
    return RealSpectralConv(real) if type(real) is SpectralConv else real


def _write_torch(program: ExportedProgram, file: Path) -> None:
    # torch wants its own suffix on a path, and takes an open file under any name
    with open(file, "wb") as opened:
        torch.export.save(program, opened)


def _write_onnx(program: ExportedProgram, file: Path) -> None:
    """Raises InvalidArgument for what ONNX has no words for."""
    names: dict[str, Any] = {"input_names": ["u"], "output_names": ["v"]}
    try:
        written = torch.onnx.export(program, dynamo=True, verbose=False, **names)
    except torch.onnx.errors.OnnxExporterError as error:
        reason: BaseException = error.__cause__ or error
        raise InvalidArgument(f"the graph cannot be written as ONNX: {str(reason).splitlines()[0]:.300}") from error
    assert written is not None
    file.write_bytes(written.model_proto.SerializeToString())


WRITERS: Mapping[str, Callable[[ExportedProgram, Path], None]] = {".pt2": _write_torch, ".onnx": _write_onnx}
"""How a graph is written, by the ending of its file."""


def _require_onnx() -> None:
    """Raise InvalidArgument where the packages that write ONNX are not installed."""
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise InvalidArgument(
            f"{' and '.join(missing)} must be installed to write ONNX: pip install 'limitlab[export]'"
        )
