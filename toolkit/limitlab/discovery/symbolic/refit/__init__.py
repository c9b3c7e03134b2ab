"""Candidates of a search fitted to measurements through the equation that they complete, and the choice among them."""
