"""The way from measurements to an equation, as state: train the hidden terms, search formulas, refit them.

Each step is started by the reader and works in one thread. What it finds can be looked at meanwhile, and stays when it
is stopped; a step that begins anew clears what rests on its earlier answer.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from traitlets import Dict, Enum, Int, Unicode, validate
from traitlets import Float as FloatTrait

from limitlab import weights
from limitlab.discovery.symbolic import Expr, ParetoFront, engines, search
from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.interruption import interruptible
from limitlab_widgets.discovery.completing import refitted
from limitlab_widgets.discovery.learned import Learned, Plan, Settings, visited
from limitlab_widgets.discovery.own_terms import Term, checked_terms
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check, Job

if TYPE_CHECKING:
    from limitlab.discovery.symbolic import Completed, Refits

TICK, LOOK = 0.2, 0.7
SHARE = 0.2
"""Of the time, at most, goes into what can be looked at while a training runs."""
FIRSTS, METHODS = ("adam", "soap"), ("lbfgs", "ssbfgs", "ssbroyden", "bfgs")
FIRST_SETTINGS: dict[str, dict[str, Any]] = {
    "ode": {"adam": 700, "quasi_newton": 1000, "method": "lbfgs", "collocation": 128},
    "pde": {"adam": 300, "quasi_newton": 300, "method": "ssbfgs", "collocation": 600},
}
"""Of a training, by the kind of the problem, where the reader has not said otherwise."""
OPERATORS = {
    "sums and products": ("+", "-", "*"),
    "with quotients": ("+", "-", "*", "/"),
    "with functions": ("+", "-", "*", "/", "sin", "cos", "exp", "log", "sqrt"),
}
RANGES = {
    "adam": (1, 100_000),
    "quasi_newton": (0, 100_000),
    "width": (2, 256),
    "collocation": (8, 5000),
    "seconds": (0.1, 3600.0),
    "combinations": (1, 200),
}


class Learning(StudioState):
    """Hidden terms that are learned, the formulas found for them, and the equation that a refit completes.

    plan() gives what is to be trained and its measurements; raises LimitlabError where there is nothing yet. models:
    networks of the reader's own for the hidden terms, by name. Raises InvalidArgument for what is none.
    """

    stage = Enum(("", "training", "searching", "refitting"), "", help="the step that is under way, or came last")
    first = Enum(FIRSTS, "adam", help="the optimiser of the first phase")
    adam = Int(700, help="steps of the first phase")
    quasi_newton = Int(1000, help="steps of the quasi-Newton method; 0 for the first phase alone")
    method = Enum(METHODS, "lbfgs", help="the quasi-Newton method")
    width = Int(32, help="units of a hidden layer")
    collocation = Int(128, help="points at which the equation is asked")
    term = Unicode("", help="a network of the reader's own for the hidden terms; a perceptron where empty")
    engine = Unicode("sparse", help="who searches formulas")
    operators = Enum(tuple(OPERATORS), "sums and products", help="what formulas are made of")
    seconds = FloatTrait(5.0, help="budget of a search for one hidden term")
    combinations = Int(9, help="combinations of formulas that a refit of the fronts tries")
    picked = Dict(help="row of the front that is picked, by equation")
    learned_revision = Int(0, help="raised when there is more to look at of the training")
    fronts_revision = Int(0, help="raised when fronts have changed")
    refits_revision = Int(0, help="raised when refits have changed")

    def __init__(self, plan: Callable[[], tuple[Plan, Any]], models: Mapping[str, Term] | None = None) -> None:
        super().__init__()
        self._plan, self.models = plan, checked_terms(models)
        self.learned: Learned | None = None
        self.fronts: dict[str, ParetoFront] = {}
        self.refits: Refits | None = None

    @property
    def settings(self) -> Settings:
        """Of a training that would be started now."""
        names = (field.name for field in dataclasses.fields(Settings))
        return Settings(**{name: getattr(self, name) for name in names})

    @property
    def completed(self) -> Completed | None:
        """The equation that the last refit chose."""
        with self.lock:
            solved = self.refits is not None and any(row.bic < float("inf") for row in self.refits.rows)
            return self.refits.best if solved and self.refits is not None else None

    def train(self) -> None:
        """Train fresh networks; earlier ones, their fronts and refits are dropped."""
        try:
            plan, measured = self._plan()
        except InvalidArgument as error:
            self.refuse(error)
            return
        self.clear()
        self._begin("training", partial(self._train, plan, measured))

    def show(self, learned: Learned) -> None:
        """Let a model that ships be looked at: `activity` says that it is one."""
        self._drop_fronts()
        with self.lock:
            self.learned, self.activity = learned, weights.card(learned.shipped).label
        self.learned_revision += 1

    def search(self) -> None:
        """Search formulas for every hidden term on the visited set; refits are dropped."""
        learned = self.learned
        if learned is None:
            self.refuse(InvalidArgument("there is no hidden term yet: train first"))
            return
        self._drop_fronts()
        allowed = engines()[self.engine].operators
        options = {
            "engine": self.engine,
            "ops": [op for op in OPERATORS[self.operators] if op in allowed],
            "budget_s": self.seconds,
            "seed": learned.plan.sampling.seed,
        }
        self._begin("searching", partial(self._search, learned, options))

    def refit(self) -> None:
        """Fit combinations of all fronts to the measurements, through the solver."""
        with self.lock:
            candidates: dict[str, Any] = dict(self.fronts)
        self._refit_of(candidates, self.combinations)

    def refit_picked(self) -> None:
        """Fit the formulas that are picked to the measurements, through the solver."""
        with self.lock:
            candidates = {name: [expr] for name in self.fronts if (expr := self.formula(name)) is not None}
        self._refit_of(candidates, 1)

    def pick(self, equation: str, row: int) -> None:
        """Pick a formula of the front of an equation. Raises UnknownName, InvalidArgument."""
        with self.lock:
            front = self.fronts[one_of("equation", equation, self.fronts)]
            row = int(check_number("row", row, low=0, high=len(front) - 1, integer=True))
            self.picked = {**self.picked, equation: row}

    def formula(self, equation: str) -> Expr | None:
        """The formula that is picked for a hidden term, if there is one."""
        with self.lock:
            front, row = self.fronts.get(equation, ()), self.picked.get(equation)
            return front[row].expr if row is not None and row < len(front) else None

    def clear(self) -> None:
        """Forget all answers."""
        self.stop()
        with self.lock:
            self.learned = None
        self.learned_revision += 1
        self._drop_fronts()

    def stop(self) -> None:
        super().stop()
        # what was found is no older than before
        self.stale = False

    def _begin(self, stage: str, job: Job) -> None:
        self.error = ""
        self.stage = stage
        self.work(job)
        # figures show this work as it goes on
        self.stale = False

    def _drop_fronts(self) -> None:
        self.stop()
        with self.lock:
            self.fronts, self.refits, self.picked = {}, None, {}
        self.fronts_revision += 1
        self.refits_revision += 1

    def _train(self, plan: Plan, measured: Any, check: Check) -> None:
        self.report(check, "the training begins")
        model = plan.model(measured)
        losses: dict[str, list[float]] = {}
        total = plan.settings.adam + plan.settings.quasi_newton
        next_tick = next_look = 0.0
        with closing(plan.training(model, measured)) as steps:
            for progress in steps:
                check()
                for name, value in progress.losses.items():
                    losses.setdefault(name, []).append(value)
                now = time.monotonic()
                if now >= next_tick:
                    left = progress.seconds * (total - progress.step) / progress.step
                    text = f"step {progress.step} of {total}, loss {progress.loss:.3g}"
                    self.report(check, text, progress.step, total, left)
                    next_tick = now + TICK
                if now >= next_look:
                    self._look(plan, measured, model, losses, check)
                    drawing = time.monotonic() - now
                    next_look = time.monotonic() + max(LOOK, drawing / SHARE)
        self._look(plan, measured, model, losses, check)
        self.report(check, f"trained {total} steps", total, total)

    def _look(self, plan: Plan, measured: Any, model: Any, losses: dict[str, list[float]], check: Check) -> None:
        learned = Learned.of(plan, measured, model, losses)
        with self.lock:
            check()
            self.learned = learned
        self.learned_revision += 1

    def _search(self, learned: Learned, options: dict[str, Any], check: Check) -> None:
        names = [str(name) for name in learned.samples["feature"].values]
        count = len(learned.equations)
        for number, equation in enumerate(learned.equations):
            self.report(check, f"searching the hidden term of {equation}", number, count)
            features, values, _ = visited(learned.samples, number)
            # a state at rest tells nothing
            moving = features.std(0) > 0
            kept = [name for name, moves in zip(names, moving, strict=True) if moves]
            watch = _at_times(partial(self._take_front, equation, check))
            with interruptible(check):
                front = search(features[:, moving], values, names=kept, watch=watch, **options)
            self._take_front(equation, check, front)
        self.report(check, f"{sum(map(len, self.fronts.values()))} formulas", count, count)

    def _take_front(self, equation: str, check: Check, front: ParetoFront) -> None:
        """Show the front as it is now: a copy, since the search goes on with it."""
        copy = ParetoFront(front, floor=front.floor, sigma=front.sigma, symbols=front.symbols)
        with self.lock:
            check()
            if not len(copy):
                return
            best = copy.select("best")
            self.fronts = {**self.fronts, equation: copy}
            self.picked = {**self.picked, equation: next(k for k, one in enumerate(copy) if one is best)}
        self.fronts_revision += 1

    def _refit_of(self, candidates: dict[str, Any], most: int) -> None:
        learned = self.learned
        if learned is None or set(candidates) != set(learned.equations):
            self.refuse(InvalidArgument("every hidden term needs a formula: train, then search"))
            return
        self.stop()
        with self.lock:
            self.refits = None
        self.refits_revision += 1
        self._begin("refitting", partial(self._refit, learned, candidates, most))

    def _refit(self, learned: Learned, candidates: dict[str, Any], most: int, check: Check) -> None:
        what = "the formulas" if most == 1 else "combinations"
        self.report(check, f"fitting {what} to the measurements")
        with interruptible(check):
            refits = refitted(learned.plan.sampling.problem, learned, candidates, most)
        # raises where none of them could be solved
        chosen = refits.best
        with self.lock:
            check()
            self.refits = refits
        self.refits_revision += 1
        self.report(check, f"{len(refits)} equations fitted, {chosen.n_params} constants chosen", 1, 1)

    @validate("adam", "quasi_newton", "width", "collocation", "combinations")
    def _count(self, proposal: dict[str, Any]) -> int:
        name = proposal["trait"].name
        low, high = RANGES[name]
        return int(check_number(name, proposal["value"], low=low, high=high, integer=True))

    @validate("seconds")
    def _budget(self, proposal: dict[str, Any]) -> float:
        low, high = RANGES["seconds"]
        return check_number("seconds", proposal["value"], low=low, high=high)

    @validate("term")
    def _known_term(self, proposal: dict[str, Any]) -> str:
        return one_of("term", proposal["value"], ("", *self.models))

    @validate("engine")
    def _known_engine(self, proposal: dict[str, Any]) -> str:
        return one_of("engine", proposal["value"], engines())


def _at_times(watch: Callable[[ParetoFront], None]) -> Callable[[ParetoFront], None]:
    """`watch`, but not more often than a reader looks."""
    begun = [0.0]

    def seldom(front: ParetoFront) -> None:
        if time.monotonic() >= begun[0]:
            watch(front)
            begun[0] = time.monotonic() + LOOK

    return seldom
