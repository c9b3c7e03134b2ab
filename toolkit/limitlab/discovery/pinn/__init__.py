"""Physics-informed networks: a network as the solution, the residual of its equation as the loss."""

from limitlab.discovery.pinn.burgers import burgers_from_sine, burgers_solution
from limitlab.discovery.pinn.conditions import Ansatz, Soft, evolution, free, initial_value
from limitlab.discovery.pinn.discrepancy import DiscrepancyNotMet, cross_validated, discrepancy
from limitlab.discovery.pinn.hidden_terms import UPINN, HiddenTerms
from limitlab.discovery.pinn.identifiability import Unidentifiable, condition_number, identifiability, library
from limitlab.discovery.pinn.networks import Architecture, JetNetwork
from limitlab.discovery.pinn.points import Measurements, PointBatches, batches, collocation, domain
from limitlab.discovery.pinn.recipes import gram, redrawn, two_phases
from limitlab.discovery.pinn.residual import Derivative, Equations, equations_of
from limitlab.discovery.pinn.solve import PINN, Unknown, loss
from limitlab.discovery.pinn.sparse_rival import SparseField, sparse_ode
from limitlab.discovery.pinn.surrogate import Surrogate
from limitlab.discovery.pinn.ude import UniversalODE, ude_loss
from limitlab.discovery.pinn.weighting import CausalWeightsPatented, Weighting, causal_weights

__all__ = [
    "PINN",
    "UPINN",
    "Ansatz",
    "Architecture",
    "Equations",
    "HiddenTerms",
    "Measurements",
    "Soft",
    "SparseField",
    "Unidentifiable",
    "UniversalODE",
    "Unknown",
    "Weighting",
    "batches",
    "burgers_from_sine",
    "burgers_solution",
    "causal_weights",
    "collocation",
    "cross_validated",
    "discrepancy",
    "equations_of",
    "evolution",
    "free",
    "identifiability",
    "initial_value",
    "loss",
    "redrawn",
    "sparse_ode",
    "two_phases",
]
