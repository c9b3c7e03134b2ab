"""Experiments without data: equations and time steps learned from their residuals alone."""
