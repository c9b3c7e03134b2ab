"""Equations from data: expressions, the front of error against complexity, and the engines that search it."""
