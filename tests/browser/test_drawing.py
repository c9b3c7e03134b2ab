"""Drawing as a reader does it: a function with the mouse and the arrow keys, a plane with a brush."""

import pytest
from pages import picture

pytestmark = pytest.mark.browser

DRAWN = """[...document.querySelectorAll('.limitlab-card')]
    .filter(card => card.querySelector('.limitlab-curve, .limitlab-plane'))
    .flatMap(card => [...card.querySelectorAll('.js-plotly-plot')])"""
TRAINED = "() => [...document.querySelectorAll('.widget-label')].some(e => /fno: trained/.test(e.textContent))"


def test_an_input_is_drawn_with_the_mouse_moved_by_keys_and_goes_through_solver_and_operators(open_notebook):
    page = open_notebook(
        'from limitlab_widgets import OperatorStudio\nOperatorStudio("burgers", size="smoke")', height=1900
    )
    page.locator("button.jupyter-button", has_text="Train").first.click()
    curve = page.locator(".limitlab-curve")
    curve.wait_for()
    truth = (
        f"[...({DRAWN}.find(p => p.data.some(t => t.name === 'truth'))?.data.find(t => t.name === 'truth').y ?? [])]"
    )
    page.wait_for_function(TRAINED)
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    across, up = (lambda share: box["x"] + share * box["width"]), (lambda share: box["y"] + share * box["height"])
    page.mouse.move(across(0.2), up(0.2))
    page.mouse.down()
    page.mouse.move(across(0.5), up(0.7), steps=8)
    page.mouse.up()
    page.wait_for_function(f"() => {truth}.length > 0")
    picture(page, "drawn-1-mouse", settled=700)
    before = page.evaluate(truth)
    curve.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    page.wait_for_function(f"old => JSON.stringify({truth}) !== JSON.stringify(old)", arg=before)
    assert "to be drawn" in curve.get_attribute("aria-label")
    # the path that is shown ends where it began: the interval is periodic
    path = curve.locator("path").get_attribute("d")
    assert path.split("L")[0].removeprefix("M").split()[1] == path.split("L")[-1].split()[1]


def test_a_medium_is_painted_with_the_mouse_and_by_keys(open_notebook):
    page = open_notebook(
        'from limitlab_widgets import OperatorStudio\nOperatorStudio("darcy", size="smoke")', height=1900
    )
    page.locator("button.jupyter-button", has_text="Make data").first.click()
    plane = page.locator(".limitlab-plane")
    plane.wait_for()
    plane.scroll_into_view_if_needed()
    page.get_by_label("paint a").select_option(label="12")
    box = plane.bounding_box()
    for share in (0.1, 0.5, 0.9):
        page.mouse.move(box["x"] + 0.05 * box["width"], box["y"] + share * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + share * box["height"], steps=12)
        page.mouse.up()
    page.wait_for_function(f"() => {DRAWN}.some(p => p.data.some(t => t.name === 'truth' && t.z))")
    picture(page, "drawn-2-plane", settled=700)
    page.get_by_label("paint a").select_option(label="3")
    plane.focus()
    for key in ("ArrowUp", "ArrowLeft", "Space"):
        page.keyboard.press(key)
    assert "space paints" in plane.get_attribute("aria-label")
    page.locator(".limitlab-note", has_text="a = 3").first.wait_for()
