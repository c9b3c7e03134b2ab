"""A box for an equation that a reader types: text, parameters, initial values, span; what is wrong with it, in red."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import ipywidgets as widgets

from limitlab.errors import InvalidArgument
from limitlab.problems import TextLaw
from limitlab.problems.text.systems import kind_of
from limitlab_widgets.shared.controls import button, described
from limitlab_widgets.shared.layout import display, row
from limitlab_widgets.shared.panels import error_text

TakesField = Callable[[str, Mapping[str, float], str, float, float], bool]
MEANT = {
    (True, False): "x' = ..., or dX = ...*dt + ...*dW; one a line, or with semicolons",
    (False, False): "x' = ..., one a line",
    (False, True): "x' = ..., one a line; or u_t = ... with u_x, u_xx on a periodic interval",
}
"""What can be typed: noises, fields."""
FIRST_START = "x = 1, y = 0"
STARTS = {
    False: "such as x = 1, y = 0; 1 if left out",
    True: "such as x = 1, y = 0; 1 if left out; of a field u = sin(2*pi*x)",
}


class TakesText(Protocol):
    """A state with a `problem` and a `span`, which takes a typed system or says why not in `complaint`."""

    problem: Any
    span: Any
    complaint: Any

    @property
    def start(self) -> Any:
        """The initial state, (1, state)."""

    def choose_text(
        self,
        text: str,
        parameters: Mapping[str, float],
        initial: Mapping[str, float],
        span: float = 10.0,
        calculus: str = "ito",
    ) -> bool:
        """Take the system; whether it could be."""

    def observe(self, handler: Any, names: Any) -> None:
        """As of traits."""


class TypedEquation(widgets.Accordion):
    """Type a system; `solve` gives it to the state. The text is parsed, never run.

    senses: name of each sense of dW, for states that take stochastic systems. fields: what takes u_t = ... on an
    interval: text, parameters, text of the start, span and length. verb: what the button says.
    """

    def __init__(
        self,
        state: TakesText,
        *,
        senses: Mapping[str, str] | None = None,
        fields: TakesField | None = None,
        verb: str = "Solve it",
    ) -> None:
        self._state, self._fields = state, fields
        self.text = described(
            widgets.Textarea,
            "equations",
            MEANT[bool(senses), fields is not None],
            value="x' = y; y' = mu*(1 - x^2)*y - x",
            rows=3,
        )
        self.parameters = described(widgets.Text, "parameters", "such as mu = 2, k = 0.5", value="mu = 2")
        self.initial = described(widgets.Text, "initial values", STARTS[fields is not None], value=FIRST_START)
        self.length = described(widgets.FloatText, "length", "of the interval of x, from 0 on", value=1.0)
        self.span = described(widgets.FloatText, "until time", "the end of time", value=20.0)
        options = [(sense, name) for name, sense in (senses or {"ito": "none"}).items()]
        self.calculus = described(widgets.Dropdown, "calculus", "the sense of dW", options=options)
        self._stochastic = senses is not None
        self.solve = button(verb, "play", "take these equations", primary=True)
        self.copy = button("Copy the one above", "copy", "begin with the problem that is picked")
        self.error = widgets.HTML()
        self.solve.on_click(self._solve)
        self.copy.on_click(self._copy)
        controls = [self.text, self.parameters, self.initial, self.length, self.span, self.calculus]
        for control in controls:
            control.observe(self._forget_complaint, "value")
        self.text.observe(self._show_calculus, "value")
        super().__init__([widgets.VBox([*controls, row([self.solve, self.copy]), self.error])])
        self.set_title(0, "My own equation")
        self.add_class("limitlab-fold")
        state.observe(self._show_complaint, "complaint")
        self._show_calculus()

    def _solve(self, _button: Any) -> None:
        try:
            parameters = read_numbers("parameters", self.parameters.value)
            initial = {} if self._types_field() else read_numbers("initial values", self.initial.value)
        except InvalidArgument as error:
            self._state.complaint = str(error)
            return
        text, span = self.text.value, self.span.value
        if self._fields is not None and self._types_field():
            self._fields(text, parameters, field_start(self.initial.value), span, self.length.value)
        else:
            self._state.choose_text(text, parameters, initial, span, self.calculus.value)

    def _types_field(self) -> bool:
        return self._fields is not None and kind_of(self.text.value) is None

    def _copy(self, _button: Any) -> None:
        state = self._state
        self.text.value = state.problem.equation.replace("; ", "\n")
        self.parameters.value = _written(state.problem.values)
        law = getattr(state.problem, "initial", None)
        if isinstance(law, TextLaw):
            self.initial.value, self.length.value = f"u = {law.text}", state.problem.lengths[0]
        elif not state.problem.sites:
            self.initial.value = _written(dict(zip(state.problem.components, state.start[0].tolist(), strict=True)))
        self.span.value = state.span
        self.calculus.value = getattr(state.problem, "calculus", "ito")

    def _forget_complaint(self, _change: dict[str, Any]) -> None:
        """A complaint is about the text as it was."""
        self._state.complaint = ""

    def _show_calculus(self, _change: dict[str, Any] | None = None) -> None:
        display(self.calculus, self._stochastic and kind_of(self.text.value) == "sde")
        display(self.length, self._types_field())
        if self._types_field() and self.initial.value == FIRST_START:
            # numbers of a system are no start of a field, which has one of its own
            self.initial.value = ""

    def _show_complaint(self, change: dict[str, Any]) -> None:
        self.error.value = error_text(change["new"])


def field_start(text: str) -> str:
    """The text in x of a field's start, such as that of "u = sin(2*pi*x)"; none for an empty one."""
    name, equals, start = text.partition("=")
    return start.strip() if equals and name.strip() == "u" else text.strip()


def read_numbers(what: str, text: str) -> dict[str, float]:
    """Numbers by name from text such as "mu = 2, k = 0.5". Raises InvalidArgument, quoting what cannot be read."""
    numbers: dict[str, float] = {}
    for part in text.replace(";", ",").replace("\n", ",").split(","):
        if not part.strip():
            continue
        name, _, value = part.partition("=")
        try:
            numbers[name.strip()] = float(value)
        except ValueError:
            raise InvalidArgument(f"{what} must be like 'a = 2, b = 0.5'; cannot read {part.strip()!r:.60}") from None
    return numbers


def _written(numbers: Any) -> str:
    return ", ".join(f"{name} = {value:.8g}" for name, value in numbers.items())
