"""Experiments on a reader's functions, in a file that no problem of the library made, and a reader's modules."""
