"""The README shows the table of the systems as they are."""

import re
from pathlib import Path

from limitlab import systems

README = Path(__file__).resolve().parents[2] / "README.md"


def test_readme_shows_the_table():
    readme = README.read_text(encoding="utf-8")
    shown = re.search(r"<!-- systems -->\n+(.*?)\n+<!-- /systems -->", readme, re.DOTALL)
    assert shown is not None, "README.md has no markers <!-- systems --> and <!-- /systems -->"
    assert shown[1] == systems.markdown_table(), "run: limitlab list systems --into README.md"
