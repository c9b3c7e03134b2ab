"""Figures of functions on grids and of their spectra."""
