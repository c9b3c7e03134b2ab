"""Layers that models of more than one family are built from."""
