"""A button of a studio acts on what its reader sees, however busy the kernel is."""

import pytest

pytestmark = pytest.mark.browser

BUSY = """import time
import ipywidgets
from limitlab_widgets.shared.controls import button
text, echo = ipywidgets.Text(description="text"), ipywidgets.HTML("nothing yet")
# the kernel is busy with each change: the page keeps the next one back meanwhile
text.observe(lambda change: time.sleep(2), "value")
press = button("Take it", "play", "take the text as it is")
press.on_click(lambda pressed: setattr(echo, "value", f"taken: {text.value}"))
ipywidgets.VBox([text, press, echo])"""


def test_a_press_comes_after_what_was_typed_before_it(open_notebook):
    page = open_notebook(BUSY)
    box = page.locator(".widget-text input")
    box.fill("first")
    box.fill("second")
    page.locator("button.jupyter-button", has_text="Take it").click()
    taken = page.locator(".widget-html-content", has_text="taken:")
    taken.wait_for()
    assert taken.inner_text() == "taken: second"
