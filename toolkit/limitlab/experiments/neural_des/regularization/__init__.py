"""Neural differential equations that are trained to be cheap to solve."""
