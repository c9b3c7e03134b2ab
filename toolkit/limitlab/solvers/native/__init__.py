"""Solves of symbolic fields as machine code, several trajectories in the lanes of a vector register."""
