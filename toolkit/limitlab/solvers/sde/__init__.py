"""Stochastic equations: the face, schemes, Brownian paths, gradients."""
