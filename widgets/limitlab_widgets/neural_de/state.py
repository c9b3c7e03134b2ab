"""State of the neural DE studio: data, a class and its settings, moments of its training, and all trained classes.

A training is that of an experiment of `limitlab.experiments`. While it runs, `moments` grows; classes trained on the
same data stay in `trained`, and `probe` asks all of them with values missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn
from traitlets import Any as AnyTrait
from traitlets import Dict, Int, Unicode, validate

from limitlab import weights
from limitlab.errors import InvalidArgument, LimitlabError, one_of
from limitlab_widgets.neural_de.drawn import DrawnSeries
from limitlab_widgets.neural_de.moments import Moment, Trained, copied, looked_at, name_of, thinned
from limitlab_widgets.neural_de.own_fields import PART, Field, checked_fields, with_field
from limitlab_widgets.neural_de.probe import Probe
from limitlab_widgets.neural_de.sources import CLASSES, FLOW, PARTS, TITLES, OwnFile, Source
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.training import TrainingState

if TYPE_CHECKING:
    from limitlab.experiments import Experiment, Prepared, Result, Stage

DATA = ("data", "seed", "dropped", "samples", "rows")
"""Settings that decide the test set: classes trained on another one are no rivals."""


class NeuralDEState(StudioState):
    """Data, a class and its settings; `training` trains, `probe` asks what was trained with values missing.

    data: a name of the studio's data. kind: a class. models: vector fields of the reader's own by name, modules of
    (t, y) or functions of the size of the state that make one, which can be picked as classes. options: settings that
    differ from the experiment's of this size. Raises UnknownName, InvalidArgument.

    >>> from limitlab_widgets import NeuralDEState
    >>> state = NeuralDEState("annuli", size="smoke")
    >>> state.kind, state.refusal("cde")
    ('ode', 'cde needs a path through a series, with a class to tell')
    >>> state.kind = "augmented"
    >>> state.plan()[1].classes
    ('augmented',)
    >>> state.close()
    """

    decides = ("data", "kind", "options", "file")

    data = Unicode("annuli", help="what is learned from; a file stands in its place")
    kind = Unicode("ode", help="the class to train next")
    options = Dict(help="settings that were moved away from the experiment's")
    file = AnyTrait(None, help="series of a file of the reader's, an OwnFile")
    revision = Int(0, help="raised when there are new moments, or classes were trained or dropped")
    settings_revision = Int(0, help="raised when settings have changed, all together")

    def __init__(
        self,
        data: str = "annuli",
        kind: str = "ode",
        *,
        size: str = "course",
        models: Mapping[str, Field] | None = None,
        **options: Any,
    ) -> None:
        source, fields = Source(one_of("data", data, TITLES)), checked_fields(models)
        part = PART if kind in fields else kind
        if reason := source.refusal(one_of("class", part, (*CLASSES, *fields))):
            raise InvalidArgument(reason)
        # raises for settings that mean nothing, before any thread is made
        source.settings(size, part, options)
        super().__init__()
        self.size, self._fields = size, fields
        self.moments: list[Moment] = []
        self.trained: dict[str, Trained] = {}
        self.learned_from: Any = None
        self.shipped = ""
        self.probe, self.drawing = Probe(), DrawnSeries()
        self.training = TrainingState(self._begin, self._take_data, self._take_models, peek=self._peek)
        self._data_of: tuple[Any, ...] = ()
        self._own: dict[tuple[Source, str], Experiment[Any, Any]] = {}
        self.begun, self.begun_kind = source, kind
        with self.together():
            self.data, self.kind, self.options = data, kind, options

    @property
    def source(self) -> Source:
        """The data that are chosen."""
        return Source(self.data, self.file)

    @property
    def settings(self) -> Any:
        """Settings of a training that would be started now. Raises what `configure` raises."""
        return self.plan()[1]

    @property
    def method(self) -> str:
        """The solver's method."""
        return self.options.get("method", self.source.experiment.sizes[self.size].method)

    def plan(self) -> tuple[Experiment[Any, Any], Any]:
        """The experiment and the settings that a training started now would have."""
        source, kind = self.source, self.kind
        settings = source.settings(self.size, self._part(kind), self.options)
        if kind not in self._fields:
            return source.experiment, settings
        if (source, kind) not in self._own:
            # one object for one question: data of an equal one are not made again
            self._own[source, kind] = with_field(source.experiment, kind, self._fields[kind])
        return self._own[source, kind], settings

    @property
    def titles(self) -> dict[str, tuple[str, str]]:
        """Title and equation of each class that there is for the data, of the reader's own fields last."""
        parts = PARTS[self.source.family]
        return {**parts, **{name: (f"{name}, a field of yours", parts[PART][1]) for name in self._fields}}

    @property
    def begun_name(self) -> str:
        """What the training that is looked at is of."""
        return name_of(self.begun_kind, self.training.settings)

    def _begin(self) -> tuple[Experiment[Any, Any], Any]:
        self.begun, self.begun_kind = self.source, self.kind
        return self.plan()

    def _part(self, kind: str) -> str:
        """The class that a field of the reader's own is in the place of."""
        return PART if kind in self._fields else kind

    def refusal(self, kind: str) -> str:
        """Why a class cannot learn from the data; empty where it can."""
        return self.source.refusal(self._part(kind))

    def way_refusal(self, way: str) -> str:
        """Why the class cannot be regularised in this way; empty where it can."""
        return self.source.refusal(self._part(self.kind), way, self.method)

    def value(self, name: str) -> Any:
        """A setting as it is now, by the studio's name."""
        if name == "way":
            return self.options.get("way", "plain")
        defaults = self.source.experiment.sizes[self.size]
        field = "first_weight" if name == "weight" and self.source.family == FLOW else name
        return self.options.get(name, getattr(defaults, field))

    def move(self, name: str, value: Any) -> None:
        """Set one setting. Raises what `configure` raises."""
        self.options = {**self.options, name: value}

    def load(self, name: str, content: bytes) -> bool:
        """Take the series of a file; whether it could be. If not, `error` says why, and all stays as it was."""
        try:
            file = OwnFile.read(name, content)
            # raises where they cannot be learned from
            _ = file.experiment
        except InvalidArgument as error:
            self.refuse(error)
            return False
        self.file = file
        return True

    def answer(self) -> None:
        """Let settings that no longer fit go, and say whether the figures are of the data that are chosen."""
        source = self.source
        if self.refusal(self.kind):
            self.kind = next(kind for kind in PARTS[source.family] if not source.refusal(kind))
        options = dict(self.options)
        known = {option.name: option for option in source.experiment.options()}
        if "method" in options and options["method"] not in known["method"].choices:
            del options["method"]
        if source.points:
            options.pop("missing", None)
        way, method = options.get("way", "plain"), options.get("method", self._default_method())
        if source.refusal(self._part(self.kind), way, method):
            options.pop("way", None)
        gone = [name for name in options if name not in {*known, "way", "weight"}]
        self.options = {name: value for name, value in options.items() if name not in gone}
        self._compare_data()
        self.settings_revision += 1

    def close(self) -> None:
        """Stop what is under way and release the threads."""
        super().close()
        self.training.close()
        self.probe.close()
        self.drawing.close()

    def _default_method(self) -> str:
        return self.source.experiment.sizes[self.size].method

    @validate("data")
    def _is_data(self, proposal: dict[str, Any]) -> str:
        return one_of("data", proposal["value"], TITLES)

    @validate("kind")
    def _is_class(self, proposal: dict[str, Any]) -> str:
        kind = one_of("class", proposal["value"], (*CLASSES, *self._fields))
        if not self.changing and (reason := self.refusal(kind)):
            raise InvalidArgument(reason)
        return kind

    @validate("options")
    def _are_options(self, proposal: dict[str, Any]) -> dict[str, Any]:
        options: Mapping[str, Any] = proposal["value"]
        if not self.changing:
            self.source.settings(self.size, self._part(self.kind), options)
        return dict(options)

    @validate("file")
    def _is_file(self, proposal: dict[str, Any]) -> OwnFile | None:
        if proposal["value"] is not None and not isinstance(proposal["value"], OwnFile):
            raise InvalidArgument(f"file must be an OwnFile; got {proposal['value']!r:.60}")
        return proposal["value"]

    def _compare_data(self) -> None:
        if not self._data_of:
            return
        try:
            self.stale = _key(self.source, self.plan()[1]) != self._data_of
        except LimitlabError:
            self.stale = True
        self.activity = "the data changed since: train" if self.stale else ""

    def _take_data(self, prepared: Prepared) -> None:
        settings = self.training.settings
        made_of = _key(self.begun, settings)
        # what an untrained model does shows the data, too
        fresh = prepared.trials[0].build(settings.seed_range[0])
        first = Moment(0, looked_at(settings, prepared.data, fresh))
        with self.lock:
            self.moments, self.learned_from = [first], prepared.data
            if made_of != self._data_of:
                self.trained = {}
                self.training.logs.clear()
                self._data_of = made_of
        self._compare_data()
        self._show_trained(self.probe.shown)
        self.revision += 1
        self._show_shipped(prepared)

    def _show_shipped(self, prepared: Prepared) -> None:
        """Show the model that ships of this training, where there is one; `shipped` is its name then."""
        settings = self.training.settings
        # of a field of the reader's own nothing ships, whatever its name
        name = weights.of(self.begun.experiment.name, settings.as_dict(), **{"class": self.begun_kind})
        if name is not None and self.begun_name not in self.trained:
            self._keep(prepared, weights.open(name), settings.steps)
            self.shipped = name
            self.revision += 1

    def _peek(self, prepared: Prepared, model: nn.Module, stage: Stage) -> None:
        self._add(Moment(stage.progress.step, looked_at(self.training.settings, prepared.data, model)))

    def _take_models(self, prepared: Prepared, models: dict[str, nn.Module], result: Result | None) -> None:
        settings = self.training.settings
        ((trial, model),) = models.items()
        self._keep(prepared, copied(prepared, settings, model), len(self.training.logs[trial, settings.seed_range[0]]))

    def _keep(self, prepared: Prepared, copy: nn.Module, step: int) -> None:
        """Let a model after so many steps be looked at, and asked."""
        settings = self.training.settings
        metrics = prepared.measure(copy, copy)
        self._add(Moment(step, looked_at(settings, prepared.data, copy)))
        name = self.begun_name
        with self.lock:
            one = Trained(name, self.begun_kind, settings, prepared.data, copy, metrics, tuple(self.moments))
            self.trained = {**self.trained, name: one}
        self._show_trained(name)
        self.revision += 1

    def _show_trained(self, name: str) -> None:
        """Ask what was trained; name: the one that is looked at."""
        self.probe.take(self.trained, name)
        self.drawing.take(self.trained, name)

    def _add(self, moment: Moment) -> None:
        with self.lock:
            self.shipped = ""
            # at a pause the step that was seen already
            earlier = [each for each in self.moments if each.step < moment.step]
            self.moments = thinned([*earlier, moment])
        self.revision += 1


def _key(source: Source, settings: Any) -> tuple[Any, ...]:
    """What decides the test set."""
    return (source, *(getattr(settings, name, None) for name in DATA))
