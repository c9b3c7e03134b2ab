"""Partial differential equations: spectral time stepping and elliptic solves."""
