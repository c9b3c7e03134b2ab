"""The infinitely wide network: architectures without a width, their kernels, and what follows from them."""
