"""Studios: ipywidgets faces over limitlab. `OperatorStudio()`, `SolverStudio()`, `WidthStudio()` show one."""

from limitlab_widgets.figure_panel import FigurePanel
from limitlab_widgets.operator_state import OperatorState
from limitlab_widgets.operator_studio import OperatorStudio
from limitlab_widgets.panels import ProblemPanel, TrainingPanel
from limitlab_widgets.solver_state import SolverState
from limitlab_widgets.solver_studio import SolverStudio
from limitlab_widgets.state import TrainingState
from limitlab_widgets.width_state import WidthState
from limitlab_widgets.width_studio import WidthStudio

__all__ = [
    "FigurePanel",
    "OperatorState",
    "OperatorStudio",
    "ProblemPanel",
    "SolverState",
    "SolverStudio",
    "TrainingPanel",
    "TrainingState",
    "WidthState",
    "WidthStudio",
]
