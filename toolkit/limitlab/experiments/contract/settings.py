"""Settings of an experiment: a frozen dataclass that validates itself and reads its options from text.

A field is declared with what a command line, a slider and a report need to know of it:

    modes: int = option(8, "Fourier modes kept per axis", low=2, high=64)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypeVar, get_args, get_origin, get_type_hints

from limitlab.cards import Card, Shown, wrapped
from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.training.device import DEVICES, PRECISIONS
from limitlab.training.streams import seeds

MAX_TEXT = 1000


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Collection[str] = (),
    distinct: bool = False,
) -> Any:
    """A settings field with its meaning, its inclusive range or its choices; ranges hold for every entry of a tuple.

    distinct: a tuple must hold one entry or more, no two the same, as what lies along an axis of a grid.

    >>> ll.experiments.option(8, "Fourier modes kept per axis", low=2, high=64).metadata["help"]
    'Fourier modes kept per axis'
    """
    return field(
        default=default, metadata={"help": help, "low": low, "high": high, "choices": choices, "distinct": distinct}
    )


@dataclass(frozen=True)
class Option:
    """What the command line and the studios show of one field.

    >>> ll.experiments.get("darcy_fno").options()[0].name
    'device'
    """

    name: str
    type: Any
    default: Any
    help: str
    low: float | None
    high: float | None
    choices: Collection[str]
    distinct: bool = False


@dataclass(frozen=True)
class Settings(Shown):
    """Base of every experiment's settings: `with_options` changes fields, from values or from text.

    >>> ll.experiments.Trained(steps=100).with_options(steps="250")
    Trained(steps=250)
    """

    def __post_init__(self) -> None:
        for spec in self.options():
            # a frozen dataclass; whole floats of sliders become integers here
            object.__setattr__(self, spec.name, _checked(spec, getattr(self, spec.name)))

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The fields in their order."""
        types = get_type_hints(cls)
        return tuple(Option(name=f.name, type=types[f.name], default=f.default, **f.metadata) for f in fields(cls))

    def with_options(self, **changes: Any) -> Self:
        """The same settings with some fields changed; text is read by the field's type.

        Raises UnknownName for a field that there is not, InvalidArgument for a value that its field does not take.
        """
        known = {spec.name: spec for spec in self.options()}
        for name in changes:
            if name not in known:
                raise unknown_name("setting", name, known)
        read = {name: _read(known[name], value) for name, value in changes.items()}
        return replace(self, **read)

    def __repr__(self) -> str:
        # what a reader would type
        return wrapped(f"{type(self).__name__}({differences(self)})")

    def card(self) -> Card:
        """Every option with its meaning."""
        options = tuple((o.name, f"{getattr(self, o.name)}, {o.help}") for o in self.options())
        return Card(type(self).__name__, options)

    @property
    def seed_range(self) -> tuple[int, ...]:
        """The seeds with which every trial is built and trained: one, where the settings have no `seeds`."""
        return (0,)

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Ensemble(Settings):
    """Every model is built and trained with several seeds, of which two different `seed` have none in common.

    >>> ll.experiments.Ensemble(seeds=2, seed=5).seed_range
    (5000, 5001)
    """

    seeds: int = option(3, "trainings of each model, for the spread", low=1, high=1000)
    seed: int = option(0, "seed of the data and of the trainings", low=0, high=2**31)

    @property
    def seed_range(self) -> tuple[int, ...]:
        return seeds(self.seed, self.seeds)


@dataclass(frozen=True)
class OnDevice(Settings):
    """Something is trained, somewhere.

    >>> ll.experiments.OnDevice().device
    'auto'
    """

    device: str = option("auto", "where to train", choices=DEVICES)


@dataclass(frozen=True)
class Trained(OnDevice):
    """Something is trained for so many steps.

    >>> ll.experiments.Trained(steps=100).as_dict()
    {'device': 'auto', 'steps': 100}
    """

    steps: int = option(1000, "training steps", low=1, high=10_000_000)


@dataclass(frozen=True)
class Batched(Trained):
    """Steps on batches.

    >>> ll.experiments.Batched(batch_size=8).steps
    1000
    """

    batch_size: int = option(32, "samples a step", low=1, high=1_000_000)


@dataclass(frozen=True)
class MixedPrecision(OnDevice):
    """Models that tolerate a forward pass in bfloat16.

    >>> ll.experiments.MixedPrecision(precision="bf16").precision
    'bf16'
    """

    precision: str = option("no", "mixed precision", choices=PRECISIONS)


S = TypeVar("S", bound=Settings)


def sizes(course: S, *, smoke: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[str, S]:
    """The three sizes of an experiment: the course's settings, and what differs at the others.

    >>> three = ll.experiments.sizes(ll.experiments.Trained(), smoke={"steps": 5}, paper={"steps": 100_000})
    >>> three["smoke"].steps
    5
    """
    return {"smoke": replace(course, **smoke), "course": course, "paper": replace(course, **paper)}


def differences(settings: Settings, base: Settings | None = None) -> str:
    """The fields that differ from those of `base`, else from their defaults, as `name=value, name=value`."""
    before = {o.name: o.default if base is None else getattr(base, o.name) for o in settings.options()}
    now = {name: getattr(settings, name) for name in before}
    return ", ".join(f"{name}={value!r}" for name, value in now.items() if value != before[name])


def _read(spec: Option, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if len(value) > MAX_TEXT:
        raise InvalidArgument(f"{spec.name} must be shorter than {MAX_TEXT} characters; got {len(value)}")
    if get_origin(spec.type) is tuple:
        entry = get_args(spec.type)[0]
        return tuple(
            _read_scalar(spec, entry, part.strip()) for part in value.strip("()[] ").split(",") if part.strip()
        )
    return _read_scalar(spec, spec.type, value.strip())


def _read_scalar(spec: Option, kind: type, text: str) -> Any:
    if kind is str:
        return text
    if kind is bool:
        if text.lower() not in {"true", "false"}:
            raise InvalidArgument(f"{spec.name} must be true or false; got {text!r:.80}")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError:
        raise InvalidArgument(f"{spec.name} must be {_kind(kind)}; got {text!r:.80}") from None


def _kind(kind: type) -> str:
    return "a whole number" if kind is int else "a number"


def _checked(spec: Option, value: Any) -> Any:
    if get_origin(spec.type) is tuple:
        # an array of NumPy is a list of its numbers
        if getattr(value, "ndim", None) == 1:
            value = tuple(value)
        if not isinstance(value, tuple | list):
            raise InvalidArgument(f"{spec.name} must be a list; got {value!r:.80}")
        entries = tuple(_checked_scalar(spec, get_args(spec.type)[0], entry) for entry in value)
        if spec.distinct and not len(entries) == len(set(entries)) > 0:
            raise InvalidArgument(f"{spec.name} must hold different entries, one or more; got {entries}")
        return entries
    return _checked_scalar(spec, spec.type, value)


def _checked_scalar(spec: Option, kind: type, value: Any) -> Any:
    if kind is bool:
        # before the numbers, since True is an int in Python
        if not isinstance(value, bool):
            raise InvalidArgument(f"{spec.name} must be true or false; got {value!r:.80}")
        return value
    if kind is str:
        if isinstance(value, str) and value in spec.choices:
            return value
        # asked last: of a catalogue it reads all that packages offer
        if spec.choices:
            raise unknown_name(f"choice of {spec.name}", value, spec.choices)
        if not isinstance(value, str):
            raise InvalidArgument(f"{spec.name} must be text; got {value!r:.80}")
        return value
    return check_number(spec.name, value, low=spec.low, high=spec.high, integer=kind is int)
