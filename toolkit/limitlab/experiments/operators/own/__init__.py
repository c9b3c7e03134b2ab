"""Experiments on functions that a reader has in a file, which no problem of the library makes, and a reader's own modules."""
