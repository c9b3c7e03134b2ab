"""How weights and rates scale with the width, and the limits that follow."""
