"""From a module of instructions to functions at addresses: LLVM for the processor that runs this."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

MOST_RECIPES = 256  # whose code is kept
FEWEST_A_THREAD = 64  # samples


@dataclass(frozen=True)
class Machine:
    """Functions of one module by name, as addresses, for as long as this object lives."""

    addresses: dict[str, int]
    engine: Any


def compiled(module: ir.Module) -> Machine:
    """Machine code of all functions that are not internal to the module."""
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    # an engine takes its target over, and frees it at its own end
    target = _target()
    passes = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=1))
    passes.getModulePassManager().run(parsed, passes)
    names = [function.name for function in parsed.functions if not function.is_declaration]
    engine = llvm.create_mcjit_compiler(parsed, target)
    engine.finalize_object()
    return Machine({name: engine.get_function_address(name) for name in names}, engine)


def _target() -> Any:
    cpu, features = _processor()
    return llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=1, jit=True)


@cache
def _processor() -> tuple[str, str]:
    """Name and features of the processor; makes LLVM ready for it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
