"""Trained models that ship: small files, each with a card that says of which training it is and how good it was.

    model = ll.weights.open("darcy_fno");      ll.weights.card("darcy_fno")

`limitlab weights NAME` trains one again at the course size of its experiment and writes both files.
"""

from limitlab.weights.making import again, make, outdated
from limitlab.weights.rows import ABSENT, ROWS, Row
from limitlab.weights.shelf import ShippedCard, card, names, of, open, refusal

__all__ = ["ABSENT", "ROWS", "Row", "ShippedCard", "again", "card", "names", "of", "open", "outdated", "refusal"]
