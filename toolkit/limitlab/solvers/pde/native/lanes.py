"""A number of numba that holds one value of each of several samples: 32 bytes, eight lanes in single precision.

    load(array, i), store(array, i, value)     the i-th group of lanes of a flat array
    spread(array, i)                           its i-th number in every lane
    +  -  *  and  multiply_add(a, b, c)        lane by lane, a b + c in one instruction where the processor has it

What is compiled is vector arithmetic whatever surrounds it: a loop over samples would be vectorised only where LLVM can
prove that the rows of a butterfly do not overlap.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from llvmlite import ir
from numba import extending, types
from numba.core.cgutils import get_or_insert_function
from numba.extending import models, overload, register_model

BYTES = 32
# numba's own type of an intrinsic asks for the typing context, which callers leave out
intrinsic: Any = extending.intrinsic


def width_of(dtype: torch.dtype) -> int:
    """Lanes of a dtype.

    >>> from limitlab.solvers.pde.native.lanes import width_of
    >>> width_of(torch.float32)
    8
    """
    return BYTES // dtype.itemsize


class Lanes(types.Type):
    """Type of one group of lanes."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype, self.width = dtype, 8 * BYTES // dtype.bitwidth
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, ir.VectorType(manager.lookup(kind.dtype).get_value_type(), kind.width))


def _pointer(context: Any, builder: Any, signature: Any, args: Any, element: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(builder.bitcast(array.data, element.as_pointer()), [args[1]])


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """The group of lanes number `index` of a flat array."""
    kind = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature, args, context.get_value_type(kind))
        return builder.load(pointer, align=kind.dtype.bitwidth // 8)

    return kind(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write a group of lanes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature, args, context.get_value_type(value))
        builder.store(args[2], pointer, align=value.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def spread(typing: Any, array: Any, index: Any) -> Any:
    """The number `index` of a flat array, in every lane."""
    kind = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_value_type(kind)
        number = builder.load(_pointer(context, builder, signature, args, vector.element))
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), kind.width), [0] * kind.width)
        return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), everywhere)

    return kind(array, types.intp), generate


@intrinsic
def multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_value_type(a)
        name = f"llvm.fmuladd.v{a.width}f{a.dtype.bitwidth}"
        function = get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
        return builder.call(function, args)

    return a(a, b, c), generate


def _define(operation: Any, instruction: str) -> None:
    """Teach numba an operation of Python on two groups of lanes."""

    @intrinsic
    def apply(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(*args)

        return a(a, b), generate

    # not strict: numba compares signatures with their annotations
    @overload(operation, strict=False)
    def implementation(a: Any, b: Any) -> Any:
        return (lambda a, b: apply(a, b)) if isinstance(a, Lanes) and a == b else None


for _operation, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _define(_operation, _instruction)


@intrinsic
def _negative(typing: Any, a: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fneg(args[0])

    return a(a), generate


@overload(operator.neg, strict=False)
def _overload_negative(a: Any) -> Any:
    return (lambda a: _negative(a)) if isinstance(a, Lanes) else None
