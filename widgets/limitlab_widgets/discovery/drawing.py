"""Who draws what was measured, learned and forecast, by the kind of the problem: figures of the same names."""

from __future__ import annotations

from typing import Any

from limitlab_widgets.discovery import figures
from limitlab_widgets.discovery.fields import figures as fields

FIGURES: dict[str, Any] = {"ode": figures, "pde": fields}
