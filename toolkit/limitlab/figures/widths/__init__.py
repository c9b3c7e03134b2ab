"""Figures of networks of several widths and of their limits."""
