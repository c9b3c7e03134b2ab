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


LABELS = (
    "[...document.querySelectorAll('.jp-OutputArea-output :is(.widget-label, .widget-toggle-button, .jupyter-button,"
    " .limitlab-choice, .limitlab-table, .lm-TabBar-tabLabel)')].filter(e => e.offsetParent)"
)


def cut_texts(page):
    """Texts of a studio that do not fit, formulas excepted, since MathJax measures its own; waits until it has."""
    page.wait_for_function(f"() => !{LABELS}.some(e => /\\$[^$]+\\$/.test(e.innerText))")
    return page.evaluate(
        f"""() => {LABELS}
            .filter(e => !e.querySelector('mjx-container') && e.scrollWidth > e.clientWidth + 1)
            .map(e => e.innerText)"""
    )
