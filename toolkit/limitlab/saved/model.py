"""A model in one file that is enough to have it back: weights, class, arguments, and what is known of its training.

    model.save("waves.safetensors", problem="burgers");      model = ll.load("waves.safetensors")

The file holds the weights by their names in `state_dict`, and a header of JSON: the class by its name in the library,
the arguments that it was made with, the problem, the version of the library. Statistics of a `Normalized` are buffers,
and so among the weights. Reading makes objects of the library's own classes and of those derived from `Saved`, and runs
nothing else: there is no pickle in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from limitlab import __version__
from limitlab.cards import Card, Shown
from limitlab.errors import InvalidArgument
from limitlab.saved import classes
from limitlab.saved.arguments import Reader, Writer, bound
from limitlab.saved.tensors import load_weights, no_larger_than, read_tensors, weights_of, write_tensors

FORMAT = 1
SUFFIX = ".safetensors"
FILE = f"model{SUFFIX}"


class Saved(nn.Module):
    """A module that remembers the arguments it was made with, and so can be stored and made again.

    Derive your own models from it, in place of `torch.nn.Module`, and their files can be read wherever the class is
    defined. Arguments may be numbers, texts, tensors, grids, problems and other values of the library, layers of torch,
    and modules that are `Saved` themselves. What is changed by hand afterwards is not remembered, but for the weights.

    >>> class Double(ll.saved.Saved):
    ...     def __init__(self, factor=2.0):
    ...         super().__init__()
    ...         self.factor = factor
    ...     def forward(self, u):
    ...         return self.factor * u
    >>> path = Double(3.0).save("triple.safetensors")
    >>> ll.load(path)(torch.ones(2))
    tensor([3., 3.])
    """

    _made_with: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        classes.remember(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        # past torch, which would register a module among them as a part of this one
        self.__dict__["_made_with"] = (args, kwargs)
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """What it was made with, by name, defaults too."""
        args, kwargs = self._made_with
        return bound(type(self), args, kwargs)

    def card(self) -> Card:
        """What it was made with, and its numbers, for JupyterLab; the text of a module stays that of torch."""
        tensors = [*self.parameters()]
        shown = ((n, f"{type(v).__name__}(...)" if isinstance(v, nn.Module) else v) for n, v in self.arguments.items())
        facts = [(name, " ".join(str(value).split())) for name, value in shown]
        kinds = {str(t.dtype).removeprefix("torch.") for t in tensors} | {f"on {t.device}" for t in tensors}
        trained = sum(t.numel() * (2 if t.is_complex() else 1) for t in tensors if t.requires_grad)
        return Card(type(self).__name__, (*facts, ("parameters", ", ".join([f"{trained:,}", *sorted(kinds)]))))

    def _repr_html_(self) -> str:
        return self.card().html()

    def save(self, path: str | os.PathLike[str], *, problem: Any = None) -> Path:
        """Write the model, see `limitlab.saved.save`; `limitlab.load` has it back."""
        return save(self, path, problem=problem)

    def remember(self, **arguments: Any) -> None:
        """Note that the model is now what these arguments would have made it."""
        self.__dict__["_made_with"] = ((), {**self.arguments, **arguments})

    # the two doors that huggingface_hub.ModelHubMixin leaves to a class that is derived from both
    def _save_pretrained(self, save_directory: Path) -> None:
        self.save(Path(save_directory) / FILE)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, map_location: str = "cpu", **options: Any) -> Self:
        path = Path(model_id)
        if not path.exists():
            from huggingface_hub import hf_hub_download

            known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            asked: dict[str, Any] = {name: options[name] for name in known if name in options}
            path = Path(hf_hub_download(model_id, FILE, **asked))
        model = load(path, device=map_location)
        if not isinstance(model, cls):
            raise InvalidArgument(f"{model_id} holds a {type(model).__name__}; asked for was a {cls.__name__}")
        return model


@dataclass(frozen=True, repr=False)
class About(Shown):
    """What a file says of its model: name of the class, None for weights alone; its arguments as JSON; the problem.

    >>> path = ll.infinite_width.KernelMachine(20, 5).save("machine.safetensors")
    >>> ll.saved.about(path).parameters
    100
    """

    path: Path
    name: str | None
    arguments: Mapping[str, Any]
    problem: Any
    version: str
    parameters: int

    def card(self) -> Card:
        """Class, arguments, problem, size and version."""
        spelled = ", ".join(f"{key}={value}" for key, value in self.arguments.items())
        facts = [("numbers", f"{self.parameters:,}"), ("written by", f"limitlab {self.version}")]
        if self.problem is not None:
            facts.insert(0, ("problem", getattr(self.problem, "name", str(self.problem))))
        if spelled:
            facts.insert(0, ("arguments", spelled))
        return Card(f"{self.name or 'weights alone'} in {self.path}", tuple(facts))


def save(model: nn.Module, path: str | os.PathLike[str], *, problem: Any = None, weights_only: bool = False) -> Path:
    """Write a model to one file, or into a folder as model.safetensors, and return the file's path.

    problem: that it was trained on, a problem of the library or a name. weights_only: nothing but the weights, of any
    module; `load` then asks for a module to put them into. A model that could not be made again is refused before
    anything is written. Raises InvalidArgument.

    >>> layer = torch.nn.Linear(2, 1)
    >>> path = ll.saved.save(layer, "layer.safetensors", weights_only=True)
    >>> bool((ll.load(path, into=torch.nn.Linear(2, 1)).weight == layer.weight).all())
    True
    """
    file = _file(path)
    stored = _described(model, None if weights_only else model, problem)
    if not weights_only:
        # as it will be read: one that was changed after it was made is not what its arguments say
        _require_same(_made(stored.header, stored.tensors, "the file"), stored)
    write_tensors(file, stored.tensors, stored.header)
    return file


def store(model: nn.Module, file: Path) -> None:
    """Write the model as a run keeps it: with its class where files can name that, and its weights in any case."""
    try:
        stored = _described(model, model, None)
    except InvalidArgument:
        stored = _described(model, None, None)
    write_tensors(file, stored.tensors, stored.header)


def load(path: str | os.PathLike[str], *, into: nn.Module | None = None, device: torch.device | str = "cpu") -> Any:
    """The model of a file, or of a folder that holds model.safetensors: in its precision, ready for evaluation.

    The random generators stay as they are. into: a module that takes the weights, on its device, and is returned; for
    files of weights alone. Raises InvalidArgument for what is no file of ours, is damaged, or names what the library
    does not have.

    >>> path = ll.operators.FNO(1, 1, (4,), width=4, layers=1).double().save("fno.safetensors")
    >>> ll.load(path)(torch.zeros(1, 1, 8, dtype=torch.float64)).dtype
    torch.float64
    """
    file, tensors, header = _read(path)
    weights = {name: tensor for name, tensor in tensors.items() if name not in header["aside"]}
    if into is not None:
        load_weights(into, weights, str(file))
        return into
    model = _made(header, tensors, str(file))
    _cast(model, weights)
    load_weights(model, weights, str(file))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in header["frozen"])
    return model.to(device).eval()


def about(path: str | os.PathLike[str]) -> About:
    """What a file says of its model, which is not made. Raises InvalidArgument.

    >>> path = ll.operators.FNO(1, 1, (4,), width=4).save("waves.safetensors", problem="burgers")
    >>> ll.saved.about(path).name, ll.saved.about(path).problem
    ('operators.FNO', 'burgers')
    """
    file, tensors, header = _read(path)
    numbers = sum(
        tensor.numel() * (2 if tensor.is_complex() else 1)
        for name, tensor in tensors.items()
        if name not in header["aside"]
    )
    model = header["model"] or {}
    problem = Reader(tensors).read(header["problem"], "problem")
    return About(file, model.get("class"), model.get("arguments", {}), problem, header["limitlab"], numbers)


class _Stored(NamedTuple):
    """What goes into a file."""

    tensors: dict[str, Tensor]
    header: dict[str, Any]


def _described(model: nn.Module, spelled: nn.Module | None, problem: Any) -> _Stored:
    """The weights of the model, beside the class and the arguments of `spelled`."""
    weights, writer = weights_of(model), Writer()
    header = {
        "saved": FORMAT,
        "limitlab": __version__,
        "model": writer.write(spelled, "the model"),
        "problem": writer.write(problem, "problem"),
        "frozen": [name for name, parameter in model.named_parameters() if not parameter.requires_grad],
        "aside": [*writer.tensors],
    }
    if taken := sorted(weights.keys() & writer.tensors.keys()):
        raise InvalidArgument(f"the model has a weight {taken[0]!r}, a name that is kept for arguments")
    stored = _Stored({**weights, **writer.tensors}, header)
    if spelled is not None and (hooks := _hooks(spelled)):
        missing = sorted(hooks - _hooks(_made(header, stored.tensors, "the file")))
        if missing:
            module, kind = missing[0]
            raise InvalidArgument(
                f"{type(spelled).__name__} was changed after it was made: {module or 'it'!r} has a hook, {kind}, which"
                " no file can hold; weights_only=True stores its weights"
            )
    return stored


def _hooks(model: nn.Module) -> set[tuple[str, str]]:
    """What is called around the modules of a model, by their names, and may change what they answer."""
    return {
        (name, getattr(hook, "__name__", type(hook).__name__))
        for name, module in model.named_modules()
        for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
    }


def _file(path: str | os.PathLike[str]) -> Path:
    """The file that a path means: itself, or model.safetensors in a folder."""
    chosen = Path(path)
    if chosen.suffix == SUFFIX and not chosen.is_dir():
        return chosen
    if chosen.suffix and not chosen.is_dir():
        raise InvalidArgument(f"path must end in {SUFFIX}, or be a folder; got {str(chosen)!r}")
    return chosen / FILE


def _read(path: str | os.PathLike[str]) -> tuple[Path, dict[str, Tensor], dict[str, Any]]:
    """File, tensors and header, with all that `save` writes into one."""
    file = _file(path)
    if not file.is_file():
        inside = sorted(other.parent.relative_to(path).as_posix() for other in Path(path).glob(f"**/{FILE}"))
        held = f"; it holds models in {', '.join(inside)}" if inside else ""
        raise InvalidArgument(f"no such file: {file}{held}")
    tensors, header = read_tensors(file)
    if not isinstance(header, dict) or header.get("saved", FORMAT) != FORMAT:
        writer = header.get("limitlab", "another version") if isinstance(header, dict) else "somebody else"
        raise InvalidArgument(
            f"{file} was written by limitlab {writer}, whose files this one, {__version__}, cannot read"
        )
    # a file of earlier versions has nothing of this
    empty: dict[str, Any] = {"limitlab": "0", "model": None, "problem": None, "frozen": [], "aside": []}
    kinds = {"model": dict | None, "problem": dict | str | None}
    for name, default in empty.items():
        if not isinstance(header.get(name, default), kinds.get(name, type(default))):
            raise InvalidArgument(f"{file} has a header whose {name!r} is a {type(header[name]).__name__}")
    return file, tensors, {**empty, **header}


def _made(header: Mapping[str, Any], tensors: Mapping[str, Tensor], origin: str) -> nn.Module:
    """A new model of the header's class and arguments."""
    if header["model"] is None:
        raise InvalidArgument(f"{origin} holds weights alone: load(path, into=model) puts them into a model")
    reader = Reader({name: tensors[name] for name in header["aside"] if name in tensors})
    try:
        # a seed among the arguments or none: what is drawn is written over, and nobody else's generator moves
        with torch.random.fork_rng(devices=[]), no_larger_than(tensors):
            model = reader.read(header["model"], "the model")
    except InvalidArgument as error:
        written = f"written by limitlab {header['limitlab']}, read by {__version__}"
        raise InvalidArgument(f"{origin} does not give a model ({written}): {error}") from error
    if not isinstance(model, nn.Module):
        raise InvalidArgument(f"{origin} holds a {type(model).__name__}, which is no model")
    return model


def _cast(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give the model the precision of the stored weights, what is not among them included."""
    kinds = {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()}
    if len(kinds) == 1:
        model.to(kinds.pop())
    for name, tensor in model.state_dict(keep_vars=True).items():
        if name in weights:
            # in place, so that weights that are shared stay so
            tensor.data = tensor.data.to(weights[name].dtype)


def _require_same(again: nn.Module, stored: _Stored) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in weights_of(again).items()}
    held = {name: tuple(t.shape) for name, t in stored.tensors.items() if name not in stored.header["aside"]}
    differing = sorted(name for name in shapes.keys() | held.keys() if shapes.get(name) != held.get(name))
    if differing:
        name = differing[0]
        raise InvalidArgument(
            f"{type(again).__name__} was changed after it was made: {name!r} is {held.get(name, 'not there')}, and "
            f"{shapes.get(name, 'not there')} from its arguments; weights_only=True stores what it is now"
        )
