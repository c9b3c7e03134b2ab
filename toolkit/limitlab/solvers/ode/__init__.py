"""Ordinary equations: the face, the loop of steps, its log, step control, events and compilation."""
