"""Flows in boxes with walls, bodies and a lid."""
