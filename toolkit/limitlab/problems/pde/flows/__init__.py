"""Flows of several fields between walls: conservation laws with shocks, and smoke in a box."""
