"""Numbers that settings give to single names: parameters of a problem, learning rates of models, as "name=number"."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from limitlab.errors import InvalidArgument, check_number, unknown_name


class Rated(Protocol):
    """Settings with a learning rate for all models, and others for single ones."""

    @property
    def rates(self) -> tuple[str, ...]: ...

    @property
    def learning_rate(self) -> float: ...


def rate_of(settings: Rated, name: str) -> float:
    """The learning rate of a model."""
    return _rates(settings).get(name, settings.learning_rate)


def rates_of(settings: Rated, known: Collection[str]) -> dict[str, float]:
    """The learning rates of single models. Raises UnknownName or InvalidArgument for bad ones."""
    rates = _rates(settings)
    for name, rate in rates.items():
        if name not in known:
            raise unknown_name("model in rates", name, known)
        rates[name] = check_number(f"rate of {name}", rate, low=0.0, high=1.0)
    return rates


def _rates(settings: Rated) -> dict[str, float]:
    return assignments("rates", settings.rates, "unet=1e-3")


def assignments(argument: str, entries: tuple[str, ...], example: str) -> dict[str, float]:
    """`("nu=0.1",)` as {"nu": 0.1}. Raises InvalidArgument."""
    values = {}
    for entry in entries:
        key, equals, number = entry.partition("=")
        try:
            values[key.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise InvalidArgument(f"{argument} must be entries such as {example}; got {entry!r:.80}")
    return values
