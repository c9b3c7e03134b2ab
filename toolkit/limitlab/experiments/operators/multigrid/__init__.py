"""Experiments by multigrid neural operators: networks whose weights are cycles of small convolutions."""
