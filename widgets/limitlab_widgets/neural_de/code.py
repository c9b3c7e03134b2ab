"""The code of a neural DE studio: the same class, trained to the moment that is looked at, and what it does there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from limitlab.errors import InvalidArgument
from limitlab_widgets.neural_de.sources import CLASSES, FLOW
from limitlab_widgets.shared.code.written import called, changed_settings, code_of, fresh, literal, trained_until

if TYPE_CHECKING:
    from limitlab_widgets.neural_de.sources import Source
    from limitlab_widgets.neural_de.state import NeuralDEState


def neural_de_code(state: NeuralDEState, number: int, sample: int) -> str:
    """The code of a moment: `look` at the model there, and its figure; of series its `accuracy` too.

    Where a signal is drawn, `said` has the probabilities of its classes by the model. number: of the moment. sample:
    the series that is looked at. Raises InvalidArgument.
    """
    with state.lock:
        moments, prepared, source = list(state.moments), state.training.prepared, state.begun
        shipped = state.shipped if moments and number >= len(moments) - 1 else ""
        kind = state.begun_kind
    if not moments or prepared is None:
        raise InvalidArgument("there is no code of nothing: the data are not made yet")
    settings, moment = state.training.settings, moments[min(number, len(moments) - 1)]
    changed = changed_settings(settings, source.experiment.sizes[state.size])
    lines = [*_experiment(source), f"settings = {called('experiment.configure', state.size, **changed)}"]
    if kind not in CLASSES:
        lines += [
            "from limitlab_widgets.neural_de.own_fields import with_field",
            f"experiment = with_field(experiment, {literal(kind)}, {kind})  # your field",
        ]
    (trial,) = prepared.trials
    if moment.step and trial.recipe is not None and not shipped:
        lines += trained_until(trial.name, moment.step, trial.recipe.steps)
    else:
        lines += fresh(shipped)
    module, rate = source.family, "" if source.family == FLOW else ", settings.missing"
    lines.append(f"look = {module}.look(prepared.data, model{rate})")
    if source.family != FLOW:
        rate = literal(state.probe.rate)
        lines.append(f"accuracy = {module}.accuracy(settings, prepared.data, model, {rate})")
        lines += _drawn(state)
    figure = f"observed(look, sample={sample})" if "line" in moment.look else "class_paths(look)"
    return code_of([f"from limitlab.experiments.neural_des.classes import {module}", *lines, f"ll.figures.{figure}"])


def _drawn(state: NeuralDEState) -> list[str]:
    """The series that was drawn, as the model is asked; nothing where nothing is drawn."""
    drawing = state.drawing
    if not drawing.drawn:
        return []
    drawn = literal(drawing.drawn)
    return [
        "from limitlab_widgets.neural_de.drawn import class_probabilities, with_drawn",
        f"drawn = with_drawn(prepared.data, {drawing.sample}, {drawing.channel}, {drawn})",
        "said = class_probabilities(settings, drawn, model)",
    ]


def _experiment(source: Source) -> list[str]:
    if source.file is None:
        return [f"experiment = {called('ll.experiments.get', source.family)}"]
    name = literal(source.file.name)
    return [
        "from limitlab.data.sources.csv_format import read_csv",
        f"series, channels = read_csv(Path({name}).read_bytes(), {name})  # the file that you loaded",
        f"experiment = {source.family}.with_series(series, channels)",
    ]
