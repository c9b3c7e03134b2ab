"""DiscoveryStudio: hide terms of an equation, learn them from measurements, and read formulas off them."""
