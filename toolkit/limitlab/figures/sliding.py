"""One figure with a slider out of several figures of the same make; it moves without a kernel, in a page too."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from limitlab.errors import InvalidArgument
from limitlab.figures.template import LIGHT


def with_slider(figures: Mapping[str, go.Figure], label: str) -> go.Figure:
    """The first figure, with a slider through all of them; `label` names what the keys are, such as "layers".

    All figures need the same number of traces. Raises InvalidArgument.

    >>> lines = {str(n): ll.figures.profiles(ll.labels.labelled(u=("x", torch.rand(n), "u"))["u"]) for n in (4, 8)}
    >>> len(ll.figures.with_slider(lines, "points").frames)
    2
    """
    if not figures:
        raise InvalidArgument("with_slider needs at least one figure")
    counts = {key: len(figure.data) for key, figure in figures.items()}
    if len(set(counts.values())) > 1:
        raise InvalidArgument(f"all figures of a slider need the same number of traces; got {counts}")
    keys = list(figures)
    combined = go.Figure(
        data=figures[keys[0]].data,
        layout=figures[keys[0]].layout,
        frames=[go.Frame(name=key, data=figure.data) for key, figure in figures.items()],
    )
    steps = [{"label": key, "method": "animate", "args": [[key], _AT_ONCE]} for key in keys]
    slider = {"active": 0, "currentvalue": {"prefix": f"{label}: "}, "pad": {"t": 45}, "steps": steps}
    return combined.update_layout(template=LIGHT, sliders=[slider])


_AT_ONCE = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
