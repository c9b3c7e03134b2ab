"""Methods as data: tableaux, Rosenbrock, ESDIRK, geometric, switching; and what they need of a Jacobian."""
