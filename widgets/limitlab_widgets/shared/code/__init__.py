"""The code of what a studio shows: how it is written, and the panel that shows it."""
