"""What a reader draws with the mouse or by keys, and how it is checked."""
