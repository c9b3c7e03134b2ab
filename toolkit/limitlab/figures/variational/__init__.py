"""Figures of variational problems."""
