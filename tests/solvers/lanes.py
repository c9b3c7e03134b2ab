"""Code of the lanes as a function of arrays."""

import ctypes

import numpy as np
from llvmlite import ir

from limitlab.solvers.native.arithmetic import POINTER, WIDTH, Lanes
from limitlab.solvers.native.machine import compiled


def of_lanes(emit):
    """The function of (rows, lanes) arrays in place: emit(lanes, load) gives the value of the last row."""
    module = ir.Module("test")
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER]), "run")
    lanes = Lanes(ir.IRBuilder(function.append_basic_block()))
    frame = function.args[0]
    row, value = emit(lanes, lambda row: lanes.load(frame, row))
    lanes.store(frame, row, value)
    lanes.builder.ret_void()
    machine = compiled(module)
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(machine.addresses["run"])

    def function_of(*rows):
        frame = np.zeros((row + 1, WIDTH))
        for index, values in enumerate(rows):
            frame[index] = values
        run(frame.ctypes.data)
        return frame[row]

    # the machine lives as long as the function
    function_of.machine = machine
    return function_of
