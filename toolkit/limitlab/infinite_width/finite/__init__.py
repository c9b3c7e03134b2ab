"""Networks of a finite width, their kernels and their linearised twins."""
