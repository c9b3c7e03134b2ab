"""Gradients of a solve: checkpoints, the adjoint equation, reversal."""
