"""An end to computations that may never end: sympy's rewriting is pure Python, and takes any time on some inputs."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


class OutOfPatience(BaseException):
    """Raised inside the computation; no `except Exception` of the library holds it up."""


def within(seconds: float, function: Callable[..., Result], *arguments: Any, default: Result) -> Result:
    """function(*arguments), or the default where it takes longer; what it raises is raised here.

    The function runs in a thread of its own, into which an exception is thrown: it ends there at the next instruction
    of Python, so one that computes in C alone is waited for.

    >>> from limitlab.discovery.symbolic.rewriting.patience import within
    >>> within(5.0, max, 1, 2, default=0)
    2
    """
    outcome: list[Result] = []
    problem: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(function(*arguments))
        except OutOfPatience:
            pass
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    while thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(OutOfPatience))
        thread.join(0.1)
    if problem:
        raise problem[0]
    return outcome[0] if outcome else default
