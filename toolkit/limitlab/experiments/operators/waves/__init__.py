"""Experiments on chains of waves: noise that is moved, and flows by their time steps."""
