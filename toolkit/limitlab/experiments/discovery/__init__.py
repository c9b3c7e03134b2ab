"""Experiments of the discovery family: hidden terms, and the equations that are read off them."""
