"""Solves in machine code, where no gradient is asked: what numba compiles at its first call, and keeps on the disk."""
