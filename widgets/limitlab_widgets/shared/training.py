"""A training as state: what it does now, how far it is, what can be done with it; no widget in sight.

    empty -> preparing -> ready -> training <-> paused          stop: preparing, training, paused -> stopping
                            ^-----------'                       then: ready where there are data, else empty

The work runs in one thread that iterates the experiment's generator, so the kernel stays free. Commands that do not
fit the phase do nothing: a double click is harmless. An exception ends up in `error`, as text to be shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from traitlets import Enum, Float, HasTraits, Int, Unicode

from limitlab.errors import LimitlabError
from limitlab.interruption import interruptible
from limitlab_widgets.shared.warned import collected, summary

if TYPE_CHECKING:
    from limitlab.experiments import Experiment, Prepared, Result, Settings, Stage, Training

PHASES = ("empty", "preparing", "ready", "training", "paused", "stopping")
ALLOWED = {
    "prepare": {"empty", "ready"},
    "train": {"empty", "ready"},
    "pause": {"training"},
    "resume": {"paused"},
    "stop": {"preparing", "training", "paused"},
}
TICK = 0.2
SHARE = 0.1
PEEK, PEEK_SHARE = 0.5, 0.2
"""Seconds from one look at a model in training to the next, at least, and the share of the time that looks may take."""

Plan = Callable[[], "tuple[Experiment, Settings]"]
TakeData = Callable[["Prepared"], None]
TakeModels = Callable[["Prepared", dict[str, nn.Module], "Result | None"], None]
Peek = Callable[["Prepared", nn.Module, "Stage"], None]


class TrainingState(HasTraits):
    """Data and training of whatever experiment and settings `plan()` gives when a command is given.

    take_data(prepared) is called when data were made; take_models(prepared, models by name, result) when models can be
    looked at: at a pause, after a stop (both without a result) and at the end. peek(prepared, model, stage) is called
    now and then while a model trains, for at most a fifth of the time: it may put the model into eval mode and ask it,
    and the training goes on as if it had not. All run in the worker's thread.

    >>> from limitlab_widgets import TrainingState
    >>> burgers = ll.experiments.get("burgers_fno")
    >>> plan = lambda: (burgers, burgers.configure("smoke"))
    >>> state = TrainingState(plan, take_data=print, take_models=print)
    >>> state.phase, state.can("train"), state.can("pause")
    ('empty', True, False)
    >>> state.close()
    """

    phase = Enum(PHASES, "empty", help="what is going on; see the module's picture")
    activity = Unicode("", help="the same in words, with numbers")
    done = Int(0, help="functions made or steps trained")
    total = Int(0, help="of so many")
    seconds_left = Float(None, allow_none=True, help="estimate, None where there is nothing to estimate from")
    logged = Int(0, help="raised when `logs` have grown")
    error = Unicode("", help="what went wrong last, for the reader; empty when all is well")
    warning = Unicode("", help="what the last work warned of, for the reader; empty when all is well")

    def __init__(self, plan: Plan, take_data: TakeData, take_models: TakeModels, *, peek: Peek | None = None) -> None:
        super().__init__()
        self.prepared: Prepared | None = None
        self.settings: Any = None
        self.result: Result | None = None
        self.logs: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self._plan, self._take_data, self._take_models, self._peek = plan, take_data, take_models, peek
        self._prepared_for: tuple[Any, Any] = (None, None)
        self._lock = threading.RLock()
        self._go, self._stop, self._closed = threading.Event(), threading.Event(), False
        self._thread: threading.Thread | None = None
        self._next_tick = self._next_log = self._next_peek = self._started = 0.0

    def can(self, command: str) -> bool:
        """Whether prepare, train, pause, resume or stop would do something now."""
        return not self._closed and self.phase in ALLOWED[command]

    def prepare(self) -> None:
        """Make the data of the plan, in the background."""
        self._launch("prepare", self._prepare)

    def preview(self, plan: Plan, take: Callable[[Prepared], None]) -> None:
        """Make the data of another, smaller plan and give them to `take`, in the background; nothing is ready then."""
        self._launch("prepare", lambda: self._preview(plan, take))

    def train(self) -> None:
        """Make the data if need be, then train a fresh model, in the background."""
        self._launch("train", self._train)

    def pause(self) -> None:
        """Halt after the step under way, and let the model be looked at."""
        with self._lock:
            if self.can("pause"):
                self._go.clear()
                self.phase = "paused"

    def resume(self) -> None:
        """Go on from the step where a pause halted."""
        with self._lock:
            if self.can("resume"):
                self.phase = "training"
                self._go.set()

    def stop(self) -> None:
        """End after the step under way; the model stays as it is then, and data that are not whole are dropped."""
        with self._lock:
            if self.can("stop"):
                self.phase = "stopping"
                # stop before go: a paused thread that wakes must see that it is to end
                self._stop.set()
                self._go.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the work under way; whether it has ended."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def close(self) -> None:
        """Stop, tell nobody any more, and release the thread."""
        self.unobserve_all()
        self.stop()
        with self._lock:
            self._closed = True
        self.wait(10)

    def _launch(self, command: str, job: Callable[[], None]) -> None:
        with self._lock:
            if not self.can(command):
                return
            self.error, self.phase = "", "preparing"
            self._stop.clear()
            self._go.set()
            self._thread = threading.Thread(target=self._work, args=(job,), name="limitlab-training", daemon=True)
            self._thread.start()

    def _work(self, job: Callable[[], None]) -> None:
        with collected() as heard:
            try:
                job()
            except _Stopped:
                self.activity = "stopped"
            except LimitlabError as error:
                self._fail(str(error))
            except Exception as error:
                self._fail(f"{type(error).__name__}: {error}")
        self.warning = summary(heard)
        with self._lock:
            self.seconds_left = None
            self.phase = "empty" if self.prepared is None else "ready"

    def _fail(self, message: str) -> None:
        self.activity = "failed"
        self.error = message

    def _prepare(self) -> None:
        experiment, settings = self._plan()
        if self.prepared is not None and self._prepared_for == (experiment, settings):
            self.activity = "data are ready"
            return
        prepared = self._make(experiment, settings)
        self.settings = settings
        self._take_data(prepared)
        self.prepared, self._prepared_for = prepared, (experiment, settings)
        self._show("data are ready", self.total, self.total)

    def _preview(self, plan: Plan, take: Callable[[Prepared], None]) -> None:
        experiment, settings = plan()
        prepared = self._make(experiment, settings)
        self.settings = settings
        take(prepared)
        self._show("", 0, 0)

    def _make(self, experiment: Experiment, settings: Settings) -> Prepared:
        self._show("making data", 0, 0)
        self._started = time.perf_counter()

        def report(done: int, total: int) -> None:
            self._raise_if_stopped()
            if done == 0:
                self._started = time.perf_counter()
            elapsed = time.perf_counter() - self._started
            self._show(f"making data: {done} of {total} functions", done, total, elapsed, at_once=done in (0, total))

        # a chunk of functions can take minutes: the loops inside it ask, too
        with interruptible(self._raise_if_stopped):
            prepared = experiment.prepare(settings, report)
        self._raise_if_stopped()
        return prepared

    def _train(self) -> None:
        self._prepare()
        prepared, (experiment, settings) = self.prepared, self._prepared_for
        assert prepared is not None
        training = experiment.train(settings, prepared=prepared)
        self._show("training begins", 0, len(training))
        self._advance("training")
        self.result = None
        self._next_peek = 0.0
        stage: Stage | None = None
        try:
            for stage in training:
                self._record(stage)
                self._peek_at(prepared, training.models[stage.model, stage.seed], stage)
                if not self._go.is_set():
                    self._rest(prepared, _by_name(training), stage)
                if self._stop.is_set():
                    break
        finally:
            training.close()
        self.result = training.result
        self.logged += 1
        self._take_models(prepared, _by_name(training), self.result)
        if stage is not None:
            verb = "trained" if self.result else "stopped after"
            progress = stage.progress
            steps = f"{progress.step} of {progress.steps} steps" if not self.result else f"{progress.steps} steps"
            self._show(f"{stage.model}: {verb} {steps} in {progress.seconds:.0f} s", progress.step, progress.steps)

    def _record(self, stage: Stage) -> None:
        progress = stage.progress
        if progress.step == 1:
            self.logs[stage.model, stage.seed] = []
        self.logs[stage.model, stage.seed].append(progress.record())
        text = f"training {stage.model}: step {progress.step} of {progress.steps}, loss {progress.loss:.3g}"
        self._show(text, progress.step, progress.steps, progress.seconds)
        now = time.perf_counter()
        if now >= self._next_log:
            self.logged += 1
            # whoever draws the logs gets a share of the time, so that a slow page does not slow the training
            drawing = time.perf_counter() - now
            self._next_log = now + max(2 * TICK, drawing / SHARE)

    def _rest(self, prepared: Prepared, models: dict[str, nn.Module], stage: Stage) -> None:
        self.logged += 1
        step, steps = stage.progress.step, stage.progress.steps
        self._show(f"paused {stage.model} at step {step} of {steps}, loss {stage.progress.loss:.3g}", step, steps)
        with _undisturbed(models.values()):
            self._take_models(prepared, models, None)
        self._go.wait()

    def _peek_at(self, prepared: Prepared, model: nn.Module, stage: Stage) -> None:
        begun = time.perf_counter()
        if self._peek is None or begun < self._next_peek:
            return
        with _undisturbed([model]):
            self._peek(prepared, model, stage)
        ended = time.perf_counter()
        self._next_peek = ended + max(PEEK, (ended - begun) * (1 / PEEK_SHARE - 1))

    def _show(
        self, text: str, done: int, total: int, elapsed: float | None = None, *, at_once: bool | None = None
    ) -> None:
        """Bring the traits up to date, at most once a tick while work is under way."""
        now = time.perf_counter()
        if at_once is None:
            at_once = elapsed is None or done >= total
        if not at_once and now < self._next_tick:
            return
        self._next_tick = now + TICK
        self.activity, self.done, self.total = text, done, total
        known = elapsed is not None and 0 < done < total
        self.seconds_left = elapsed * (total - done) / done if known and elapsed is not None else None

    def _advance(self, phase: str) -> None:
        with self._lock:
            self._raise_if_stopped()
            self.phase = phase

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise _Stopped


@contextmanager
def _undisturbed(models: Iterable[nn.Module]) -> Iterator[None]:
    """Afterwards the modes of the models and torch's random numbers are as before."""
    modes = [(module, module.training) for model in models for module in model.modules()]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            for module, mode in modes:
                # not train(mode), which would set the modules below as well
                module.training = mode


def _by_name(training: Training) -> dict[str, nn.Module]:
    """The newest model of each name."""
    return {name: model for (name, _), model in training.models.items()}


class _Stopped(Exception):
    """The reader pressed stop."""
