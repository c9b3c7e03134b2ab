"""Studios: ipywidgets faces over limitlab. `OperatorStudio()`, `SolverStudio()`, `WidthStudio()` show one."""

from limitlab_widgets.operator.state import OperatorState
from limitlab_widgets.operator.studio import OperatorStudio
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.panels import ProblemPanel, TrainingPanel
from limitlab_widgets.shared.training import TrainingState
from limitlab_widgets.solver.state import SolverState
from limitlab_widgets.solver.studio import SolverStudio
from limitlab_widgets.width.state import WidthState
from limitlab_widgets.width.studio import WidthStudio

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
