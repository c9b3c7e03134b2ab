"""The code of a width studio: the limit at the step that is looked at, and the networks beside it."""

from __future__ import annotations

from typing import Any

from limitlab_widgets.shared.code.written import called, changed_settings, code_of, literal
from limitlab_widgets.width.regression import EXPERIMENT
from limitlab_widgets.width.scaling_state import LABELS, ScalingState, check_options
from limitlab_widgets.width.state import WidthState


def width_code(state: WidthState) -> str:
    """The code of `limit` and of `networks` by seed, outputs at `study.x_test`, at one step of the training."""
    with state.lock:
        form, step, width, seeds = state.closed_form, state.step, state.width, tuple(state.ensemble)
    changed = changed_settings(form.settings, EXPERIMENT.sizes["course"]) | {"widths": (width,)}
    lines = [
        f"experiment, step = {called('ll.experiments.get', EXPERIMENT.name)}, {step}",
        f"settings = {called('experiment.configure', 'course', **changed)}",
        "prepared = experiment.prepare(settings)",
        "study, limit = prepared.data.study, prepared.data.limit.sel(step=step)",
    ]
    if not seeds:
        return code_of([*lines, "ll.figures.lines({'limit': limit['mean']})"])
    return code_of(
        [
            *lines,
            "networks = {}",
            f"for seed in {literal(seeds)}:",
            "    one = settings.with_options(seed=seed)",
            f"    network = study.network({width}, one.seed_range[0])",
            f"    training = experiment.train(one, prepared=prepared, only={{'width': {width}}})",
            "    for stage in training if step else ():",
            "        network = training.models[stage.model, stage.seed]",
            "        if stage.progress.step == step:",
            "            break",
            "    networks[seed] = network(study.x_test)[:, 0].detach()",
        ]
    )


def scaling_code(state: ScalingState) -> str:
    """The code of the coordinate check of a parametrisation: `changes` of every module by width, seed and step."""
    options: dict[str, Any] = check_options(2.0**state.octave)
    if state.optimizer == "adam":
        lines = [
            "experiment = ll.experiments.get('coordinate_check')",
            f"settings = {called('experiment.configure', parametrizations=tuple(LABELS), **options)}",
            "prepared = experiment.prepare(settings, False)",
        ]
    else:
        abc = f"{called('ll.infinite_width.parametrization', state.preset, hidden=state.base.hidden)}"
        moved = f".with_layer({state.base.hidden + 1}, {literal(state.readout)}).with_rate({literal(state.c)})"
        lines = [
            "from limitlab.experiments.infinite_width.abc_regimes import prepare_points",
            f"point = {abc}{moved}.shift({literal(state.theta)})",
            "experiment = ll.experiments.get('abc_regimes')",
            f"settings = {called('experiment.configure', **options)}",
            "prepared = prepare_points({'point': point}, settings)",
        ]
    return code_of(
        [
            *lines,
            "result = experiment.train(settings, prepared=prepared).finish()",
            "changes = result.grid('parametrization', 'width')['change']",
        ]
    )
