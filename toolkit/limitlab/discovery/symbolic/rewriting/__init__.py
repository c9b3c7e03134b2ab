"""What is done to a formula once it fits: constants of least squares, and everything out that the data do not need."""
