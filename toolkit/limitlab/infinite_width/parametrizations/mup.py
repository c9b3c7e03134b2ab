"""Maximal update (muP) of any torch model, from the shapes of the same model at two other widths.

A dimension of a parameter is infinite where `base` and `delta` differ in it, and m is its size over that in `base`.
With m_in and m_out of a weight's inputs and outputs, a model in the standard parametrisation becomes

    role      infinite       start          forward    Adam     SGD            AdamW's decay
    input     outputs, or    as it is       as it is   1        m_out          as it is
              a vector
    hidden    both           as it is       as it is   1/m_in   m_out/m_in     times m_in
    output    inputs         times sqrt m   1/m        1        m_in           as it is
    finite    none           as it is       as it is   1        1              as it is

where "Adam" and "SGD" are factors of the learning rate. Standard means a spread of 1/sqrt(fan_in), for the bias too
where it is not zero: so the bias of a layer with infinite inputs is multiplied by sqrt m_in as well. Decay keeps
learning rate times decay: SGD divides it by its factor. At the base width every factor is one, bit for bit.
Attention is not seen in shapes: divide its logits by d_head, not by its root, in the model.

Source: Yang et al., Tensor programs V, arXiv 2203.03466, tables 3 and 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, one_of

Kind = Literal["input", "hidden", "output", "finite"]
OPTIMIZERS = ("adam", "adamw", "sgd")
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_MAPS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)


@dataclass(frozen=True)
class Role:
    """What a parameter is to the width: its kind, and by how much its inputs and outputs outgrow the base.

    >>> ll.infinite_width.Role("hidden", inputs=4.0, outputs=4.0).rate("adam")
    0.25
    """

    kind: Kind
    inputs: float = 1.0
    outputs: float = 1.0

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            # a frozen dataclass; numbers of an array may be NumPy's
            object.__setattr__(self, name, check_number(name, getattr(self, name), low=0))

    def rate(self, optimizer: str) -> float:
        """Factor of the learning rate."""
        if self.kind == "finite":
            return 1.0
        if optimizer == "sgd":
            return self.inputs if self.kind == "output" else self.outputs / self.inputs
        return 1.0 / self.inputs if self.kind == "hidden" else 1.0


def mup_groups(
    model: nn.Module,
    base: nn.Module,
    delta: nn.Module,
    *,
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    **common: Any,
) -> list[dict[str, Any]]:
    """Parameter groups for `fit`, one for each factor `rate` of the learning rate, with its `weight_decay`.

    common: what every group shares, such as betas. Adam's decay goes through its normalisation, where no factor keeps
    it: weight_decay needs "adamw" or "sgd". Raises InvalidArgument, UnknownName.

    >>> model, base, delta = (ll.infinite_width.standard_network(width) for width in (256, 64, 128))
    >>> sorted(group["rate"] for group in ll.infinite_width.mup_groups(model, base, delta))
    [0.25, 1.0]
    """
    one_of("optimizer of mup_groups", optimizer, OPTIMIZERS)
    decay = check_number("weight_decay", weight_decay, low=0)
    if optimizer == "adam" and decay > 0:
        raise InvalidArgument("adam's weight decay has no muP scaling; use optimizer='adamw'")
    roles = parameter_roles(model, base, delta)
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(roles[name].rate(optimizer), []).append(parameter)
    return [
        # AdamW and SGD multiply the decay by the rate: divided, their product is the same in every group
        {**common, "params": params, "rate": rate, "weight_decay": decay / rate if decay else 0.0}
        for rate, params in groups.items()
    ]


@torch.no_grad()
def mup_init(model: nn.Module, base: nn.Module, delta: nn.Module, *, zero_readout: bool = False) -> nn.Module:
    """The model, freshly drawn in the standard parametrisation, brought to muP's start in place; once only.

    Readouts divide their input by m from then on. zero_readout: they start at zero, which makes the limit at the
    start exact at every width. Raises InvalidArgument.

    >>> model, base, delta = (ll.infinite_width.standard_network(width) for width in (256, 64, 128))
    >>> bool(ll.infinite_width.mup_init(model, base, delta, zero_readout=True)(torch.ones(1, 64)).any())
    False
    """
    if any(isinstance(hook, _Divide) for module in model.modules() for hook in module._forward_pre_hooks.values()):
        raise InvalidArgument("mup_init has been called on this model before")
    roles = parameter_roles(model, base, delta)
    # by identity: tied weights are one tensor under two names
    embedded = {id(parameter) for name, parameter in _named(model) if roles[name].kind == "input"}
    for name, module in model.named_modules():
        if not isinstance(module, _MAPS):
            continue
        role, bias = roles[f"{name}.weight".lstrip(".")], module.bias
        growth = role.inputs**0.5
        if role.kind == "output":
            module.register_forward_pre_hook(_Divide(role.inputs))
            growth = 0.0 if zero_readout else growth
            if id(module.weight) not in embedded:  # a tied embedding has a spread without width already
                module.weight.mul_(growth)
        if bias is not None:
            bias.mul_(growth)
    return model


def parameter_roles(model: nn.Module, base: nn.Module, delta: nn.Module) -> dict[str, Role]:
    """The role of every parameter, by name, from shapes alone; base and delta may live on the device "meta".

    Raises InvalidArgument where names or numbers of dimensions differ, delta is base again, or a dimension differs from
    base in the model but not in delta.

    >>> model, base, delta = (ll.infinite_width.standard_network(width) for width in (256, 64, 128))
    >>> ll.infinite_width.parameter_roles(model, base, delta)["output.weight"]
    Role(kind='output', inputs=4.0, outputs=1.0)
    """
    for argument, module in (("model", model), ("base", base), ("delta", delta)):
        if not isinstance(module, nn.Module):
            raise InvalidArgument(f"{argument} must be a torch.nn.Module; got {type(module).__name__}")
    sizes, base_sizes, delta_sizes = ({name: tuple(p.shape) for name, p in _named(m)} for m in (model, base, delta))
    for argument, theirs in (("base", base_sizes), ("delta", delta_sizes)):
        differing = sorted(set(sizes) ^ set(theirs))
        if differing:
            raise InvalidArgument(f"{argument} must have the parameters of the model; only one has {differing[0]!r}")
        for name, shape in sizes.items():
            if len(theirs[name]) != len(shape):
                raise InvalidArgument(f"{name} has shape {shape} in the model, {theirs[name]} in {argument}")
    if base_sizes == delta_sizes:
        raise InvalidArgument("delta must differ from base in its width; they have the same shapes")
    modules, roles = dict(model.named_modules(remove_duplicate=False)), {}
    for name, shape in sizes.items():
        owner, _, key = name.rpartition(".")
        ratios = _ratios(name, shape, base_sizes[name], delta_sizes[name])
        roles[name] = _role(name, modules[owner], key, ratios)
    return roles


@dataclass(frozen=True)
class _Divide:
    """A hook before a module: its input divided by m. The weights stay what the optimiser sees."""

    by: float

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0] / self.by, *inputs[1:])


def _named(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """All parameters, a shared one under each of its names."""
    return model.named_parameters(remove_duplicate=False)


def _ratios(
    name: str, shape: tuple[int, ...], base: tuple[int, ...], delta: tuple[int, ...]
) -> tuple[float | None, ...]:
    """For every dimension its size over that in base, None where it is finite."""
    for axis, (size, small, other) in enumerate(zip(shape, base, delta, strict=True)):
        if size != small and small == other:
            raise InvalidArgument(
                f"dimension {axis} of {name} is {size} in the model but {small} in both base and delta"
            )
    return tuple(
        size / small if small != other else None for size, small, other in zip(shape, base, delta, strict=True)
    )


def _role(name: str, module: nn.Module, key: str, ratios: tuple[float | None, ...]) -> Role:
    infinite = [ratio for ratio in ratios if ratio is not None]
    if not infinite:
        return Role("finite")
    if len(infinite) > 2:
        raise InvalidArgument(f"{name} has {len(infinite)} infinite dimensions; muP knows one or two")
    # torch lays out outputs before inputs; a vector has no inputs
    ahead, behind = (*ratios, None)[:2]
    if isinstance(module, _TRANSPOSED) and key == "weight":
        ahead, behind = behind, ahead
    if len(infinite) == 2:
        if ahead is None or behind is None:
            raise InvalidArgument(f"{name} is infinite in dimensions that are not its inputs and outputs")
        return Role("hidden", behind, ahead)
    if isinstance(module, _MAPS) and key == "weight" and behind is not None:
        return Role("output", behind, 1.0)
    # an embedding has its words in front: finite, as the inputs of an input layer are
    return Role("input", 1.0, infinite[0])
