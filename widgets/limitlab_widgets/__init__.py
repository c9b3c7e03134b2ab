"""Studios: ipywidgets faces over the experiments of limitlab. `OperatorStudio()` as a cell's last line shows one."""

from limitlab_widgets.figure_panel import FigurePanel
from limitlab_widgets.operator_state import OperatorState
from limitlab_widgets.operator_studio import OperatorStudio
from limitlab_widgets.panels import ProblemPanel, TrainingPanel
from limitlab_widgets.state import TrainingState

__all__ = ["FigurePanel", "OperatorState", "OperatorStudio", "ProblemPanel", "TrainingPanel", "TrainingState"]
