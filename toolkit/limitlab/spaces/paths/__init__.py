"""Paths that drive equations: interpolation of samples, splines, missing values, log-signatures."""
