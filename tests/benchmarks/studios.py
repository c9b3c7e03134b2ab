"""How soon the studios answer: every slider and drop-down, from its new value to the last message for the page.

Run `python tests/benchmarks/studios.py [--rounds 30] [--only solver]`; writes results/studios.json next to this file.

No browser: what widgets send is counted where it would leave the kernel, and thrown away. A move is over when nothing
is computed any more that a figure waits for; errors against a reference come later, and are not awaited. `milliseconds`
is wall time up to the last message, longer where the machine has other work, `cpu` that of the process. The goal, on an
idle machine of two cores, is a median of 100 ms and a 95th percentile of 200 ms.
"""

import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import comm
import ipywidgets as widgets
import numpy as np
from interleaved import run

PATIENCE = 120.0


class Wire(comm.DummyComm):
    """What a kernel sends: when, and how many bytes; buffers are those of arrays."""

    sent: list[tuple[float, int, int]] = []  # noqa: RUF012

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        arrays = sum(memoryview(buffer).nbytes for buffer in buffers or ())
        self.sent.append((time.perf_counter(), len(str(data)), arrays))


comm.create_comm = Wire

from limitlab_widgets import DiscoveryStudio, NeuralDEStudio, OperatorStudio, SolverStudio, WidthStudio  # noqa: E402
from limitlab_widgets.shared.state import StudioState  # noqa: E402

CHOSEN = (widgets.Dropdown, widgets.SelectionSlider)
MOVED = (widgets.IntSlider, widgets.FloatSlider, widgets.FloatLogSlider)


def controls(part: Any) -> dict[str, Any]:
    """The sliders and drop-downs that a page shows, by what stands beside them."""
    if getattr(part._trait_values.get("layout"), "display", None) == "none":
        return {}
    if isinstance(part, (*CHOSEN, *MOVED)):
        stuck = part.disabled or (len(part.options) < 2 if isinstance(part, CHOSEN) else part.min == part.max)
        return {} if stuck else {part.description or part.tooltip: part}
    return {name: one for child in getattr(part, "children", ()) for name, one in controls(child).items()}


def another(control: Any, dice: random.Random) -> Any:
    """Another value, not far from the one before where it is a number: what a drag sends."""
    if isinstance(control, CHOSEN):
        values = [option[1] if isinstance(option, tuple) else option for option in control.options]
        return dice.choice([value for value in values if value != control.value])
    if isinstance(control, widgets.FloatLogSlider):
        low, high = control.base**control.min, control.base**control.max
        step = control.base ** (control.step * dice.choice([-3, -2, -1, 1, 2, 3]))
        return min(max(control.value * step, low), high)
    step = control.step * dice.choice([-3, -2, -1, 1, 2, 3])
    moved = min(max(control.value + step, control.min), control.max)
    return (
        moved if moved != control.value else control.value + (control.step if moved == control.min else -control.step)
    )


def states_of(state: StudioState) -> list[StudioState]:
    """The state and those that it holds."""
    inner = [value for value in vars(state).values() if isinstance(value, StudioState)]
    return [state, *(one for each in inner for one in states_of(each))]


def settled(states: list[StudioState]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not all(state._ended.is_set() for state in states):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def move(control: Any, value: Any, states: list[StudioState]) -> dict[str, float]:
    """One move, and what became of it."""
    Wire.sent.clear()
    begun, cpu = time.perf_counter(), time.process_time()
    control.value = value
    settled(states)
    spent, sent = time.process_time() - cpu, list(Wire.sent)
    for state in states:
        # the errors against a reference come by themselves, later
        state._worker.drop()
        state._worker.wait(PATIENCE)
    last = max((moment for moment, _, _ in sent), default=begun)
    text, arrays = (sum(each[part] for each in sent) for part in (1, 2))
    return {
        "milliseconds": 1e3 * (last - begun),
        "cpu": 1e3 * spent,
        "messages": len(sent),
        "text": text,
        "arrays": arrays,
    }


def studio(name: str, opened: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """Every control of one studio, `rounds` moves each after two that load what later ones find loaded."""
    shown, dice, rows = opened(), random.Random(0), {}
    states = [one for state in shown.states for one in states_of(state)]
    # a choice may take the sliders off the page
    for label in sorted(controls(shown), key=lambda label: isinstance(controls(shown)[label], widgets.Dropdown)):
        control = controls(shown).get(label)
        if control is None:
            continue
        first = control.value
        moves = [move(control, another(control, dice), states) for _ in range(rounds + 2)][2:]
        control.value = first
        settled(states)
        columns = {key: [each[key] for each in moves] for key in moves[0]}
        row = {key: round(statistics.median(column), 1) for key, column in columns.items()}
        rows[label] = row | {"p95": round(float(np.quantile(columns["milliseconds"], 0.95)), 1)}
        print(f"{name}, {label}: {rows[label]}", flush=True)
    shown.close()
    return {"name": name, "rounds": rounds, "controls": rows}


def solver(problem: str) -> Any:
    shown = SolverStudio(problem)
    shown.state.wait(PATIENCE)
    return shown


def operators() -> Any:
    shown = OperatorStudio("darcy", size="smoke")
    shown.state.training.train()
    shown.state.training.wait(PATIENCE)
    return shown


def neural() -> Any:
    shown = NeuralDEStudio("spirals", "cde", size="smoke")
    shown.state.training.train()
    shown.state.training.wait(PATIENCE)
    return shown


STUDIOS: dict[str, Callable[[], Any]] = {
    "solver": partial(solver, "van_der_pol_mild"),
    "solver, stochastic": partial(solver, "geometric_brownian"),
    "discovery": partial(DiscoveryStudio, "lotka_volterra"),
    "operators": operators,
    "neural": neural,
    "width": WidthStudio,
}

if __name__ == "__main__":
    benchmarks = {name.replace(", ", "_"): partial(studio, name, opened) for name, opened in STUDIOS.items()}
    run("studios", __doc__, benchmarks, ["plotly", "ipywidgets"])
