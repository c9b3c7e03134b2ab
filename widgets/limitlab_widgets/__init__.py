"""Studios: ipywidgets faces over limitlab, such as `SolverStudio()`; a cell that ends with one shows it."""

from limitlab_widgets.discovery.state import DiscoveryState
from limitlab_widgets.discovery.studio import DiscoveryStudio
from limitlab_widgets.neural_de.state import NeuralDEState
from limitlab_widgets.neural_de.studio import NeuralDEStudio
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
    "DiscoveryState",
    "DiscoveryStudio",
    "FigurePanel",
    "NeuralDEState",
    "NeuralDEStudio",
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
