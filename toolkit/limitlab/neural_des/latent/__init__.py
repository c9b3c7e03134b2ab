"""Latent ODEs: a state that nobody sees, from series with gaps and times of their own."""

from limitlab.neural_des.latent.elbo import annealed, elbo
from limitlab.neural_des.latent.encoders import GRUEncoder, ODERNNEncoder
from limitlab.neural_des.latent.model import LatentODE
from limitlab.neural_des.latent.posterior import Posterior
from limitlab.neural_des.latent.times import solve_at

__all__ = ["GRUEncoder", "LatentODE", "ODERNNEncoder", "Posterior", "annealed", "elbo", "solve_at"]
