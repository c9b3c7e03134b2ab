"""The results of a notebook by name: `reports.publish(relative_l2=0.021)` in a cell; a sweep compares these values.

The values go into the executed notebook as a display of media type `application/vnd.limitlab.result+json`, with a plain
text twin for the reader. JSON has no infinities, so a value that is not finite is stored as "nan", "inf" or "-inf".
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

from limitlab.errors import InvalidArgument

MEDIA_TYPE = "application/vnd.limitlab.result+json"

Scalar = float | int | bool | str


def publish(**values: Any) -> None:
    """Show named scalars and record them in the notebook as its results.

    values: numbers, strings, booleans, or arrays and tensors of one element. Raises InvalidArgument naming any other.
    Outside of a notebook they are printed.

    >>> ll.reports.publish(relative_l2=0.02134, steps=400)
    relative_l2 = 0.02134
    steps = 400
    """
    if not values:
        raise InvalidArgument("publish needs at least one named value, as in publish(relative_l2=0.02)")
    record = {name: scalar(name, value) for name, value in values.items()}
    text = "\n".join(f"{name} = {_text(value)}" for name, value in record.items())
    try:
        from IPython import get_ipython
    except ImportError:
        print(text)
        return
    if get_ipython() is None:
        print(text)
    else:
        from IPython.display import display

        display({MEDIA_TYPE: record, "text/plain": text}, raw=True)


def collect(notebook: Mapping[str, Any]) -> dict[str, Scalar]:
    """Everything an executed notebook has published; of a name published twice, the last value.

    >>> output = {"data": {"application/vnd.limitlab.result+json": {"relative_l2": 0.02}}}
    >>> ll.reports.collect({"cells": [{"outputs": [output]}]})
    {'relative_l2': 0.02}
    """
    results: dict[str, Scalar] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            record = output.get("data", {}).get(MEDIA_TYPE, {})
            for name, value in record.items():
                results[name] = float(value) if value in ("nan", "inf", "-inf") else value
    return results


def scalar(name: str, value: Any) -> Scalar:
    """The value as JSON can hold it. Raises InvalidArgument naming the value where it is not one number."""
    if hasattr(value, "item"):
        try:
            value = value.item()
        except (ValueError, RuntimeError):
            raise InvalidArgument(f"published value {name!r} must be one number; got an array of several") from None
    # before the integers, since True is one
    if isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else str(float(value))
    raise InvalidArgument(
        f"published value {name!r} must be a number, a string or a boolean; got {type(value).__name__}"
    )


def _text(value: Scalar) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
