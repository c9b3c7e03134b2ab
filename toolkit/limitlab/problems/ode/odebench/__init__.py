"""ODEBench: 63 textbook systems on which equation finders are compared, apart from the catalogue of the pickers."""
