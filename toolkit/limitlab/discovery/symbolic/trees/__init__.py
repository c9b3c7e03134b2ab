"""Trees as arrays: populations in postfix, their values and slopes, their constants, their mutations."""
