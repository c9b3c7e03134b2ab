"""Classes of neural differential equations side by side: flows from a start, and what a series drives."""
