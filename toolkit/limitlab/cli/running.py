"""`limitlab run`: an experiment at one of its sizes, with its progress, ending in its metrics."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limitlab.errors import InvalidArgument

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.experiments import Settings, Training

LONGEST_OPTION = 1000
MOST_COLUMNS = 12
STEPS_BETWEEN_READINGS = 20  # reading a loss makes an accelerator wait


def run(options: argparse.Namespace) -> int:
    """Configure, train and measure an experiment; prints its metrics and the folder of the run."""
    texts = read_options(options.options)
    for name in ("seed", "device", "precision"):
        value = getattr(options, name)
        if value is not None:
            if name in texts:
                raise InvalidArgument(f"{name} is given twice: as --{name} and as -o {name}=...")
            texts[name] = str(value)

    from limitlab import experiments
    from limitlab.experiments.contract.tracking import require_tracker
    from limitlab.training.device import is_main_process

    if options.track is not None:
        require_tracker(options.track)
    experiment = experiments.get(options.experiment)
    settings = experiment.configure(options.size, **texts)
    folder = Path(options.folder) if options.folder else Path("runs") / default_folder(experiment.name, settings)
    visible = is_main_process()
    training = experiment.train(settings, folder, resume=options.resume, progress=visible)
    _show_progress(training, options.track, visible)
    if visible:
        for line in metric_lines(training.finish().metrics):
            print(line)
        print(folder)
    return 0


def read_options(assignments: Iterable[str]) -> dict[str, str]:
    """`["modes=16"]` -> {"modes": "16"}; the experiment's settings read the values. Raises InvalidArgument."""
    texts: dict[str, str] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if len(assignment) > LONGEST_OPTION or not assignment.isprintable():
            raise InvalidArgument(
                f"an option is at most {LONGEST_OPTION} printable characters; got {assignment[:40]!r}..."
            )
        if not equals or not name.strip():
            raise InvalidArgument(f"an option is given as name=value; got {assignment[:60]!r}")
        if name.strip() in texts:
            raise InvalidArgument(f"option {name.strip()!r} is given twice")
        texts[name.strip()] = text.strip()
    return texts


def default_folder(experiment: str, settings: Settings) -> str:
    """The folder's name that the same settings have every time, so that `--resume` finds it."""
    text = json.dumps(settings.as_dict(), sort_keys=True)
    return f"{experiment}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def metric_lines(metrics: xr.Dataset) -> Iterator[str]:
    """A table for each metric, the mean over samples: a line a model, its spread over seeds, a column for each grid."""
    for name, measured in metrics.data_vars.items():
        if measured.dtype.kind not in "fiub":
            continue
        values = measured.mean("sample", keep_attrs=True) if "sample" in measured.dims else measured
        extra = [dim for dim in values.dims if dim not in ("model", "seed")]
        columns = values.stack(column=extra) if extra else values.expand_dims("column")
        if columns.sizes["column"] > MOST_COLUMNS:
            continue
        heads = ["" if not extra else _label(label) for label in columns["column"].values]
        yield f"{values.attrs.get('long_name', name)}" + (f" by {', '.join(map(str, extra))}" if extra else "")
        rows = [["", *heads]] if extra else []
        for model in columns["model"].values if "model" in columns.dims else [None]:
            row = columns.sel(model=model) if model is not None else columns
            rows.append([str(model or ""), *(_cell(row.isel(column=index)) for index in range(len(heads)))])
        widths = [max(len(cells[index]) for cells in rows) for index in range(len(rows[0]))]
        for cells in rows:
            yield "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _show_progress(training: Training, tracker: str | None, visible: bool) -> None:
    """Run to the end, with a bar for each model and seed; an interruption closes the training, which can be resumed."""
    from tqdm import tqdm

    from limitlab.experiments import tracked

    stages = training if tracker is None else tracked(training, tracker)
    bar: tqdm | None = None
    stage_shown = None
    try:
        for stage in stages:
            if bar is None or stage.stage != stage_shown:
                if bar is not None:
                    bar.close()
                stage_shown = stage.stage
                label = f"{stage.model}, seed {stage.seed} ({stage.stage}/{stage.stages})"
                bar = tqdm(
                    total=stage.progress.steps,
                    initial=stage.progress.step - 1,
                    desc=label,
                    unit="step",
                    disable=not visible,
                )
            if stage.progress.step % STEPS_BETWEEN_READINGS == 0:
                bar.set_postfix({term: f"{value:.3g}" for term, value in stage.progress.losses.items()}, refresh=False)
            bar.update(1)
    finally:
        stages.close()
        training.close()
        if bar is not None:
            bar.close()


def _cell(values: xr.DataArray) -> str:
    spread = f" ± {float(values.std(ddof=1)):.2g}" if values.size > 1 else ""
    return f"{float(values.mean()):.4g}{spread}"


def _label(label: Any) -> str:
    return ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)
