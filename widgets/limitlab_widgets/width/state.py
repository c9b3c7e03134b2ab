"""State of the width studio: a regression, its limit in closed form, and finite networks that follow in a thread.

The closed form is found for all recorded steps when a setting changes, so the time only selects. Networks are kept as
long as the regression stays the same: another width or more seeds train only what is missing.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import Enum, Int, Unicode, validate
from traitlets import Float as FloatTrait

from limitlab.errors import InvalidArgument, LimitlabError, check_number, one_of
from limitlab.infinite_width import WidthStudy, empirical_ntk
from limitlab_widgets.shared.warned import collected, summary
from limitlab_widgets.shared.worker import Check, Job, Worker
from limitlab_widgets.width.closed_form import ClosedForm, ClosedFormSearch, closed_form
from limitlab_widgets.width.regression import ENDS, NONLINEARITIES, TARGETS, WHOLE, WIDTHS, Regression
from limitlab_widgets.width.run import PAUSE, RunState
from limitlab_widgets.width.training import Pair, drift_table, require_room, trained_networks

if TYPE_CHECKING:
    import xarray as xr

MOST_SEEDS = 20
DRIFT_WIDTHS, DRIFT_SEEDS = (32, 64, 128, 256, 512), 5
NO_MODELS = (
    "WidthStudio takes no models: beside its networks stands their limit in closed form, which a torch module does not "
    "tell; experiments.with_rivals(experiments.get('ntk_circle'), 'width-64', mine=module) trains one beside them"
)
QUESTION = tuple(field.name for field in dataclasses.fields(Regression))


class WidthState(RunState):
    """A regression, networks of one width, and the time at which both are looked at.

    options: where the traits start. `search` finds closed forms, the state itself trains networks after `begin`, and
    the tangent kernel of one network follows every width by itself. Raises InvalidArgument, UnknownName.

    >>> from limitlab_widgets import WidthState
    >>> state = WidthState(depth=1, activation="erf", width=16, seeds=2, steps=50)
    >>> state.limit.sizes["step"] == len(state.study.steps)
    True
    >>> state.close()
    """

    decides = (*QUESTION, "width", "seeds")

    depth = Int(2, help="number of hidden layers")
    activation = Enum(NONLINEARITIES, "relu", help="what stands between the layers")
    weight_variance = FloatTrait(2.0, help="variance s_w^2 of the weights, before it is divided by the inputs")
    bias_scale = FloatTrait(0.1, help="standard deviation s_b of the biases")
    target = Enum(tuple(TARGETS), next(iter(TARGETS)), help="the function that is learned")
    points = Int(12, help="number of training points on the circle")
    rate = FloatTrait(1.0, help="rate of gradient descent times the largest eigenvalue of the kernel")
    steps = Int(400, help="steps of gradient descent")
    width = Int(256, help="width of the networks, a power of two")
    seeds = Int(10, help="number of networks")
    record = Int(0, help="which of the recorded steps is looked at")
    note = Unicode("", help="what a reader should know of the closed form; empty when all is well")
    revision = Int(0, help="raised when the closed form has changed")
    trained = Int(0, help="raised when something of the finite networks has changed")

    def __init__(self, **options: Any) -> None:
        super().__init__()
        if "models" in options:
            raise InvalidArgument(NO_MODELS)
        for name in options:
            one_of("option of WidthStudio", name, self.decides)
        regression = Regression(**{name: value for name, value in options.items() if name in QUESTION})
        networks = {name: value for name, value in options.items() if name not in QUESTION}
        self.failures: dict[Pair, str] = {}
        self._runs: dict[Pair, xr.Dataset] = {}
        self._kernels: dict[int, np.ndarray] = {}
        self._kernel_worker = Worker(PAUSE)
        self.search = ClosedFormSearch(self._accept)
        self._question = regression
        self.closed_form = closed_form(regression)
        with self.together():
            for name, value in (dataclasses.asdict(regression) | networks).items():
                setattr(self, name, value)
        self.note, self.record = self.closed_form.note, len(self.study.steps) // 2

    @property
    def regression(self) -> Regression:
        """What the closed form is of; while a newer one is searched it is not yet what the traits say."""
        return self.closed_form.regression

    @property
    def study(self) -> WidthStudy:
        """Kernels and dynamics of the limit, and its networks."""
        return self.closed_form.study

    @property
    def limit(self) -> xr.Dataset:
        """`mean` and `std` (step, x) of the limit, and its eigenvalues."""
        return self.closed_form.limit

    @property
    def step(self) -> int:
        """The step that is looked at."""
        return int(self.study.steps[self.record])

    @property
    def ensemble(self) -> dict[int, xr.Dataset]:
        """The networks of the width and the seeds that are looked at, as far as they are trained."""
        with self.lock:
            return {
                seed: self._runs[self.width, seed] for seed in range(self.seeds) if (self.width, seed) in self._runs
            }

    @property
    def kernel(self) -> np.ndarray | None:
        """The tangent kernel of the first network of this width before training, where it is known."""
        return self._kernels.get(self.width)

    @property
    def drift(self) -> xr.Dataset | None:
        """`drift` and `kernel_error` (width, seed) of all networks there are; None for less than two widths."""
        with self.lock:
            return drift_table(self._runs)

    def answer(self) -> None:
        """Find the closed form of another regression, or what another width or number of networks lacks."""
        regression = Regression(**{name: getattr(self, name) for name in QUESTION})
        if regression != self._question:
            self._question = regression
            self.settle()
            if regression != self.regression:
                self._kernel_worker.drop()
                self.search.find(regression)
                return
            self.search.settle()
        self.trained += 1
        self.run()

    def run(self) -> None:
        """Find the kernel of the width, and train what is missing if that was asked for."""
        if self.width not in self._kernels:
            self._kernel_worker.ask(partial(self._find_kernel, self.closed_form, self.width))
        super().run()
        if not self.follow and self._runs:
            self.activity = self._count()

    def job(self) -> Job:
        """Train the networks of the width that is looked at, then those of the laws of the width."""
        return partial(self._train, self.closed_form, self.width, self.seeds)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the closed form, the kernel and the networks; whether nothing is left to do."""
        return self.search.wait(timeout) and self._kernel_worker.wait(timeout) and super().wait(timeout)

    def close(self) -> None:
        """Tell nobody any more, and release the threads."""
        self.search.close()
        self._kernel_worker.drop()
        super().close()

    @validate(*ENDS)
    def _is_in_range(self, proposal: dict[str, Any]) -> float:
        name = proposal["trait"].name
        low, high = ENDS[name]
        return check_number(name, proposal["value"], low=low, high=high, integer=name in WHOLE)

    @validate("width")
    def _is_width(self, proposal: dict[str, Any]) -> int:
        width = proposal["value"]
        if width not in WIDTHS:
            raise InvalidArgument(f"width must be a power of two from {WIDTHS[0]} to {WIDTHS[-1]}; got {width!r:.80}")
        return int(width)

    @validate("seeds")
    def _is_seeds(self, proposal: dict[str, Any]) -> int:
        return int(check_number("seeds", proposal["value"], low=1, high=MOST_SEEDS, integer=True))

    @validate("record")
    def _is_record(self, proposal: dict[str, Any]) -> int:
        most = len(self.study.steps) - 1
        return int(check_number("record", proposal["value"], low=0, high=most, integer=True))

    def _accept(self, form: ClosedForm, check: Check) -> None:
        """Look at another closed form: the networks trained so far belong to the last one."""
        with self.lock:
            check()
            self._drop()
            # before the steps, so that the record always is one of them
            self.record = min(self.record, len(form.study.steps) - 1)
            self.closed_form = form
            self._runs, self._kernels, self.failures = {}, {}, {}
            self.note = form.note
            self.revision += 1
            self.run()

    def _find_kernel(self, form: ClosedForm, width: int, check: Check) -> None:
        try:
            require_room(form.settings.hidden, width)
            with collected() as heard:
                kernel = empirical_ntk(form.study.network(width, 0), form.study.x, outputs="trace").numpy()
        except LimitlabError as error:
            with self.lock:
                check()
                self.error, self.activity = str(error), "failed"
            return
        self._store(check, self._kernels, width, kernel)
        if heard:
            with self.lock:
                check()
                self.warning = summary(heard)

    def _train(self, form: ClosedForm, width: int, seeds: int, check: Check) -> None:
        pairs = [(width, seed) for seed in range(seeds)]
        pairs += [(w, s) for w in DRIFT_WIDTHS for s in range(DRIFT_SEEDS) if (w, s) not in pairs]
        missing = [pair for pair in pairs if pair not in self._runs and pair not in self.failures]
        for pair, outcome in trained_networks(
            form.settings, form.prepared, missing, check, partial(self.report, check)
        ):
            table: dict[Any, Any] = self.failures if isinstance(outcome, str) else self._runs
            self._store(check, table, pair, outcome)
        self.report(check, self._count(), 1, 1)

    def _store(self, check: Check, table: dict[Any, Any], key: Any, value: Any) -> None:
        with self.lock:
            check()
            table[key] = value
            self.trained += 1

    def _count(self) -> str:
        """How many networks there are, in words."""
        failed = f", {len(self.failures)} could not be trained" if self.failures else ""
        return f"trained {len(self._runs)} networks of {len({width for width, _ in self._runs})} widths{failed}"
