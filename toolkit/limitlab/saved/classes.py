"""Names of the classes that a file may ask for, and the classes behind them: the library's, and a caller's own models.

A class of the library is named by its package, "operators.FNO"; a model that a caller derives from `Saved` by its own
name alone, from the moment of its definition, and one of a package that offers operators from its installation; one of
an experiment by that of the experiment, "experiments.shift_sinenet.Mover".
Nothing else is ever made of what stands in a file.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from types import ModuleType

from limitlab.errors import InvalidArgument, unknown_name
from limitlab.extensions import import_offers

PACKAGES = ("discovery", "infinite_width", "layers", "neural_des", "operators", "problems", "spaces")
EXPERIMENTS = "experiments"
MODELS_ALONE = (EXPERIMENTS, "training")
"""Packages of which files may ask for models, and for nothing that belongs to them."""
DERIVED: dict[str, type] = {}
"""Classes derived from `Saved` outside of the library; one that is defined again takes the place of the first."""
_LIBRARY = "limitlab."


def remember(cls: type) -> None:
    """Let files name a class that was just derived from `Saved`."""
    if not cls.__module__.startswith(_LIBRARY):
        DERIVED[cls.__name__] = cls


def name_of(cls: type) -> str:
    """The name of a class in files; raises InvalidArgument for one that no file may ask for.

    >>> ll.saved.classes.name_of(ll.operators.FNO)
    'operators.FNO'
    """
    name = cls.__name__
    if cls.__module__.startswith(_LIBRARY):
        parts = cls.__module__.split(".")[1:]
        # the first package that shows it, so that a module may move below it
        packages = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
        if parts[0] == EXPERIMENTS:
            packages = [f"{EXPERIMENTS}.{parts[-1]}"]
        shown = (package for package in packages if getattr(_module(package), name, None) is cls)
        name = f"{next(shown, packages[-1])}.{name}"
    if class_of(name) is not cls:
        raise InvalidArgument(f"another class {name} was defined after that of this object: make the object again")
    return name


def class_of(name: str) -> type:
    """The class of that name; raises InvalidArgument, UnknownName.

    >>> ll.saved.classes.class_of("operators.FNO") is ll.operators.FNO
    True
    """
    others = [*DERIVED, *(f"{package}..." for package in (*PACKAGES, *MODELS_ALONE))]
    if isinstance(name, str) and name.isidentifier() and name not in DERIVED:
        # of an installed package that nobody has imported yet
        import_offers("limitlab.operators")
    if isinstance(name, str) and name in DERIVED:
        return DERIVED[name]
    path, _, last = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    # no name with an underscore in front: nothing private, and no __main__ that would run
    words = [*path.split("."), last]
    if words[0] not in (*PACKAGES, *MODELS_ALONE) or not all(re.fullmatch(r"[A-Za-z]\w*", word) for word in words):
        raise unknown_name("class", name, others)
    module = _module(path)
    cls = getattr(module, last, None)
    allowed = _is_model if words[0] in MODELS_ALONE else _is_made_of_arguments
    if not isinstance(cls, type) or not cls.__module__.startswith(_LIBRARY) or not allowed(cls):
        held = vars(module) if module else {}
        classes = [f"{path}.{key}" for key, value in held.items() if isinstance(value, type)]
        raise unknown_name("class", name, classes or others)
    return cls


def _module(path: str) -> ModuleType | None:
    package, _, name = path.rpartition(".")
    if package == EXPERIMENTS:
        places: dict[str, str] = importlib.import_module(_LIBRARY + package).places()
        path = places.get(name, _LIBRARY + path).removeprefix(_LIBRARY)
    try:
        return importlib.import_module(_LIBRARY + path)
    except ImportError:
        return None


def _is_model(cls: type) -> bool:
    """Whether it is derived from `Saved`."""
    return hasattr(cls, "_made_with")


def _is_made_of_arguments(cls: type) -> bool:
    """Whether its objects are what their arguments are: models that are saved, frozen values, and named tuples."""
    frozen = dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    return _is_model(cls) or frozen or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
