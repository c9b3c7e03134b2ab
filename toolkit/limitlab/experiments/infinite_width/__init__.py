"""Experiments on wide networks and their limits."""
