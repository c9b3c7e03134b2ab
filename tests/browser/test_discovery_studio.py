"""The discovery studio as a reader has it: hide a term, train, click at the front, refit, forecast from a new start."""

import os

import pytest
from pages import cut_texts, picture

pytestmark = pytest.mark.browser

STUDIO = """from limitlab_widgets import DiscoveryStudio
studio = DiscoveryStudio("linear_decay", points=12, adam=60, quasi_newton=40, width=8, collocation=24, seconds=1.0)
studio"""
FIELD = """from limitlab_widgets import DiscoveryStudio
small = {"adam": 80, "quasi_newton": 60, "width": 10, "collocation": 96, "seconds": 2.0, "combinations": 4}
studio = DiscoveryStudio("burgers", points=60, **small)
studio"""
PLOTS = "[...document.querySelectorAll('.js-plotly-plot')].filter(p => p.offsetParent && p.querySelector('.main-svg'))"
FRONT = f"{PLOTS}.find(p => p.data.some(t => t.name === 'picked'))"
FORECAST = f"{PLOTS}.find(p => p.data.some(t => t.name === 'formula'))"
MEASURED = f"{PLOTS}.find(p => p.data.some(t => t.name === 'u'))"
MAPS = f"{PLOTS}.find(p => p.data.some(t => t.type === 'heatmap' && t.name === 'truth'))"


def press(page, name):
    page.locator("button:not([disabled])", has_text=name).click()


def click_at(page, number):
    """Click where plotly draws a point of the front."""
    place = page.evaluate(
        f"""(k) => {{
            const plot = {FRONT}; plot.scrollIntoView({{block: 'center'}});
            const point = plot.querySelectorAll('.scatterlayer .trace')[0].querySelectorAll('.points path')[k];
            const b = point.getBoundingClientRect();
            return [b.left + b.width / 2, b.top + b.height / 2];
        }}""",
        number,
    )
    page.mouse.move(*place)
    page.wait_for_timeout(300)
    page.mouse.click(*place)


def pick_another(page):
    """Click a formula of the front that is not picked, and wait until it is."""
    # out of view, a front waits with what the search found last
    page.evaluate(f"() => {FRONT}.scrollIntoView({{block: 'center'}})")
    page.wait_for_timeout(2000)
    before = page.evaluate(f"{FRONT}.data.find(t => t.name === 'picked').x[0]")
    target = page.evaluate(f"{FRONT}.data[0].x.findIndex(x => x !== {before})")
    click_at(page, target)
    page.wait_for_function(f"() => {FRONT}?.data.find(t => t.name === 'picked')?.x[0] !== {before}")


def test_a_reader_hides_a_term_learns_it_and_forecasts_with_its_formula(open_notebook):
    page = open_notebook(STUDIO, width=1366, height=768)
    page.wait_for_function(f"() => {MEASURED}")
    picture(page, "discovery-1-opened", settled=2500, studio=True)
    assert cut_texts(page) == []

    box = page.locator(".limitlab-choice input[type=checkbox]").first
    assert box.is_checked()
    box.uncheck()
    press(page, "Train")
    page.locator(".limitlab-error", has_text="nothing is hidden").wait_for()
    box.check()
    press(page, "Train")
    page.locator(".limitlab-status", has_text="trained 100 steps").wait_for()
    page.wait_for_function(f"() => {MEASURED}.data.some(t => t.name === 'network')")
    page.get_by_text("where visited").wait_for()
    picture(page, "discovery-2-trained", settled=2500, studio=True)

    press(page, "Search")
    page.wait_for_function(f"() => {FRONT}")
    page.locator("button:not([disabled])", has_text="Refit all").wait_for()
    pick_another(page)

    page.get_by_text("Fitted to the measurements by simulation").wait_for()
    page.wait_for_function(f"() => {FORECAST}")
    shown = page.evaluate(f"{FORECAST}.data.find(t => t.name === 'formula').y[0]")
    page.locator(".widget-inline-hbox:has([title='u at the new start']) .noUi-handle").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"() => {FORECAST}?.data.find(t => t.name === 'formula').y[0] !== {shown}")
    start = page.evaluate(f"{FORECAST}.data.map(t => t.y[0])")
    assert max(start) - min(start) < 1e-9
    if "LIMITLAB_SCREENSHOTS" in os.environ:
        page.set_viewport_size({"width": 1366, "height": 2200})
    picture(page, "discovery-3-forecast", settled=2500, studio=True)
    assert cut_texts(page) == []
    output = "document.querySelector('.limitlab-studio')"
    assert page.evaluate(f"{output}.scrollWidth - {output}.clientWidth") <= 1


def test_a_reader_hides_the_transport_of_burgers_equation_and_forecasts_another_field(open_notebook):
    page = open_notebook(FIELD, width=1366, height=768)
    page.wait_for_function(f"() => {MAPS}")
    picture(page, "discovery-field-1-opened", settled=2500, studio=True)
    assert cut_texts(page) == []
    page.get_by_text("one field: further ones would need starts of their own").wait_for()
    page.get_by_text("not to be had: Korteweg-de Vries equation").wait_for()

    press(page, "Train")
    page.locator(".limitlab-status", has_text="trained 140 steps").wait_for()
    page.wait_for_function(f"() => {MAPS}.data.some(t => t.name === 'error')")
    page.get_by_text("where visited:").wait_for()
    picture(page, "discovery-field-2-trained", settled=2500, studio=True)

    # figures out of view would wait
    page.set_viewport_size({"width": 1366, "height": 2400})
    press(page, "Search")
    page.wait_for_function(f"() => {FRONT}")
    page.locator("button:not([disabled])", has_text="Refit all").wait_for()
    pick_another(page)
    page.get_by_text("Fitted to the measurements by simulation").wait_for()
    page.wait_for_function(f"() => {FORECAST}")

    boxes = page.locator(".widget-text input").all()
    (start,) = [box for box in boxes if box.input_value().startswith("1.3*(")]
    start.fill("cos(2*pi*x)/2")
    start.press("Enter")
    page.wait_for_function(f"() => Math.abs({FORECAST}?.data.find(t => t.name === 'formula').y[0] - 0.5) < 1e-9")
    # all begin at the same field
    begun = page.evaluate(f"{FORECAST}.data.slice(0, 3).map(t => t.y[16])")
    assert max(begun) - min(begun) < 1e-9
    picture(page, "discovery-field-3-forecast", settled=2500, studio=True)
    assert cut_texts(page) == []
    output = "document.querySelector('.limitlab-studio')"
    assert page.evaluate(f"{output}.scrollWidth - {output}.clientWidth") <= 1
