"""What the walks through studios in a browser share."""

import os
from pathlib import Path


def picture(page, name, *, settled=1500, studio=False):
    """A picture for a person to look at, where LIMITLAB_SCREENSHOTS names a folder.

    settled: milliseconds that figures get to be drawn, in which a training goes on. studio: from its top on.
    """
    if "LIMITLAB_SCREENSHOTS" in os.environ:
        if studio:
            page.evaluate("document.querySelector('.limitlab-studio').scrollIntoView()")
        page.wait_for_timeout(settled)
        page.screenshot(path=str(Path(os.environ["LIMITLAB_SCREENSHOTS"]) / f"{name}.png"))
