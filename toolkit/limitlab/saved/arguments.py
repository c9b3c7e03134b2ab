"""Arguments of constructors as JSON, with tensors aside, and back.

Numbers, texts, lists and None stand for themselves; everything else is an object of one tag:

    {"tuple": [...]}   {"mapping": [[key, value], ...]}   {"number": "inf"}   {"dtype": "float64"}   {"tensor": name}
    {"class": name, "arguments": {...}}   {"layer": "Linear", "arguments": {...}}   {"same": n}, the n-th module again

What has no such form, a function above all, is refused by its place: "field of NeuralODE".
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, LimitlabError, one_of
from limitlab.saved.classes import class_of, name_of

PREFIX = "arguments/"
DEEPEST = 64
LAYERS = (
    "BatchNorm1d", "Conv1d", "Conv2d", "Conv3d", "Dropout", "ELU", "Flatten", "GELU", "GroupNorm", "Identity",
    "LayerNorm", "LeakyReLU", "Linear", "ReLU", "SELU", "SiLU", "Sequential", "Sigmoid", "Softplus", "Tanh",
)  # fmt: skip
"""Layers of torch, whose arguments are read off their attributes."""
DTYPES = ("bfloat16", "complex128", "complex64", "float16", "float32", "float64", "int32", "int64")
HOW = (
    "derive the class from ll.saved.Saved to have its arguments stored, or store the weights alone, "
    "ll.saved.save(model, path, weights_only=True), and read them with ll.load(path, into=model)"
)


class Writer:
    """Values to JSON; `tensors` are those met on the way."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._modules: list[nn.Module] = []

    def write(self, value: Any, place: str) -> Any:
        """The JSON of a value; raises InvalidArgument that names its place."""
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int | float | np.generic) and not isinstance(value, np.void):
            number = value.item() if isinstance(value, np.generic) else value
            return number if not isinstance(number, float) or math.isfinite(number) else {"number": str(number)}
        if isinstance(value, nn.Module):
            return self._module(value, place)
        if hasattr(value, "spelling") or _is_value(value):
            return {"class": name_of(type(value)), "arguments": self.arguments(_fields(value), type(value).__name__)}
        if isinstance(value, list):
            return [self.write(entry, place) for entry in value]
        if isinstance(value, tuple):
            return {"tuple": [self.write(entry, place) for entry in value]}
        if isinstance(value, Mapping):
            return {"mapping": [[self.write(key, place), self.write(entry, place)] for key, entry in value.items()]}
        if isinstance(value, torch.dtype):
            return {"dtype": one_of("dtype", str(value).removeprefix("torch."), DTYPES)}
        if isinstance(value, np.ndarray):
            value = torch.as_tensor(value)
        if isinstance(value, Tensor):
            name = f"{PREFIX}{len(self.tensors)}"
            self.tensors[name] = value.detach()
            return {"tensor": name}
        raise InvalidArgument(f"{place} is a {type(value).__name__}, which no file can hold: {HOW}")

    def arguments(self, arguments: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """The JSON of arguments by name."""
        return {name: self.write(value, f"{name} of {owner}") for name, value in arguments.items()}

    def _module(self, module: nn.Module, place: str) -> Any:
        # by what it is: a module may be equal to another by its own __eq__
        for number, other in enumerate(self._modules):
            if other is module:
                return {"same": number}
        kind = type(module).__name__
        if hasattr(module, "_made_with"):
            made: Any = module
            spelled = {"class": name_of(type(module)), "arguments": self.arguments(made.arguments, kind)}
        elif type(module) is getattr(nn, kind, None) and kind in LAYERS:
            spelled = {"layer": kind, "arguments": self.arguments(_of_layer(module), kind)}
        else:
            raise InvalidArgument(f"{place} is a {kind}, whose arguments are not known: {HOW}")
        # after its own modules, in the order in which they are made again
        self._modules.append(module)
        return spelled


class Reader:
    """JSON to values, with the tensors of the file; `used` are the names of those that were asked for."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors, self.used = tensors, set[str]()
        self._modules: list[nn.Module] = []
        self._depth = 0

    def read(self, spelled: Any, place: str) -> Any:
        """The value of its JSON; raises InvalidArgument that names its place."""
        if spelled is None or isinstance(spelled, bool | str | int | float):
            return spelled
        self._depth += 1
        if self._depth > DEEPEST:
            raise InvalidArgument(f"{place} is nested deeper than {DEEPEST}")
        try:
            if isinstance(spelled, list):
                return [self.read(entry, place) for entry in spelled]
            if "class" in spelled or "layer" in spelled:
                return self._made(spelled, place)
            ((tag, content),) = spelled.items()
            return self._tagged(tag, content, place)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
            if isinstance(error, LimitlabError):
                raise
            raise InvalidArgument(f"{place} cannot be read from {spelled!r:.80}: {error}") from error
        finally:
            self._depth -= 1

    def _tagged(self, tag: str, content: Any, place: str) -> Any:
        one_of("tag", tag, ("tuple", "mapping", "number", "dtype", "tensor", "same"))
        if tag == "tuple":
            return tuple(self.read(entry, place) for entry in content)
        if tag == "mapping":
            return {self.read(key, place): self.read(entry, place) for key, entry in content}
        if tag == "number":
            return float(one_of("number", content, ("inf", "-inf", "nan")))
        if tag == "dtype":
            return getattr(torch, one_of("dtype", content, DTYPES))
        if tag == "tensor":
            self.used.add(content)
            return self.tensors[content].clone()
        return self._modules[content]

    def _made(self, spelled: Mapping[str, Any], place: str) -> Any:
        arguments = {name: self.read(value, f"{name} of {place}") for name, value in spelled["arguments"].items()}
        if "layer" in spelled:
            make = getattr(nn, one_of("layer", spelled["layer"], LAYERS))
            if "named" in arguments:
                arguments = {"*": (OrderedDict(arguments["named"]),)}
        else:
            cls = class_of(spelled["class"])
            make = getattr(cls, "spelled", cls)
        value = make(*arguments.pop("*", ()), **arguments)
        if isinstance(value, nn.Module):
            self._modules.append(value)
        return value


def bound(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a call by name, those that were left out too."""
    call = inspect.signature(function).bind(*args, **kwargs)
    call.apply_defaults()
    arguments: dict[str, Any] = {}
    for name, parameter in call.signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            arguments |= call.arguments[name]
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            arguments[name] = call.arguments[name]
        elif call.arguments[name]:
            arguments["*"] = call.arguments[name]
    return arguments


def _is_value(value: Any) -> bool:
    frozen = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return frozen or (isinstance(value, tuple) and hasattr(value, "_fields"))


def _fields(value: Any) -> dict[str, Any]:
    """What a value is made from: what it says itself, its fields where it says nothing."""
    if hasattr(value, "spelling"):
        return dict(value.spelling())
    if isinstance(value, tuple):
        return {name: getattr(value, name) for name in value._fields}  # type: ignore[attr-defined]
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}


def _of_layer(layer: nn.Module) -> dict[str, Any]:
    """The arguments of a layer of torch: its attributes of their names."""
    if isinstance(layer, nn.Sequential):
        layers = dict(layer._modules)
        return {"*": tuple(layer)} if [*layers] == [str(n) for n in range(len(layer))] else {"named": layers}
    named = [p.name for p in inspect.signature(type(layer)).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    arguments = {name: getattr(layer, name) for name in named if name not in ("device", "dtype")}
    if "bias" in arguments:
        arguments["bias"] = layer.bias is not None
    return arguments
