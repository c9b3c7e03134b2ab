"""Flows of several fields between walls: conservation laws with shocks, smoke in a box, a cavity under a lid."""
