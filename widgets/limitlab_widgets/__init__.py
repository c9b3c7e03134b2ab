"""Studios: ipywidgets faces over limitlab. `OperatorStudio()` or `SolverStudio()` as a cell's last line shows one."""

from limitlab_widgets.figure_panel import FigurePanel
from limitlab_widgets.operator_state import OperatorState
from limitlab_widgets.operator_studio import OperatorStudio
from limitlab_widgets.panels import ProblemPanel, TrainingPanel
from limitlab_widgets.solver_state import SolverState
from limitlab_widgets.solver_studio import SolverStudio
from limitlab_widgets.state import TrainingState

__all__ = [
    "FigurePanel",
    "OperatorState",
    "OperatorStudio",
    "ProblemPanel",
    "SolverState",
    "SolverStudio",
    "TrainingPanel",
    "TrainingState",
]
