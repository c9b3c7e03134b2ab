"""What every studio owes its page: its layout, the theme, one studio a cell, a picture in a saved notebook."""

import json
import urllib.request

import pytest

pytestmark = pytest.mark.browser

STUDIO = """from limitlab_widgets import SolverStudio
studio = SolverStudio()
studio"""
COUNT = """from ipywidgets.widgets.widget import _instances
print("widgets", len(_instances), "studios", sum(type(w).__name__ == "SolverStudio" for w in _instances.values()))"""
PLOTS = "[...document.querySelectorAll('.js-plotly-plot')].filter(p => p.offsetParent && p.querySelector('.main-svg'))"
DRAWN = f"() => {PLOTS}.length === 3"
BOX = (
    "(s) => { const b = document.querySelector(s).getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; }"
)
BACKGROUND = f"{PLOTS}.map(p => p.layout.template.layout.paper_bgcolor)"


def opened(open_notebook, *more, **size):
    page = open_notebook(STUDIO, *more, **size)
    page.wait_for_function(DRAWN)
    return page


def box(page, selector):
    return page.evaluate(BOX, selector)


def test_controls_and_the_main_figure_stand_beside_each_other_on_a_small_screen(open_notebook):
    page = opened(open_notebook, width=1366, height=768)
    page.evaluate("document.querySelector('.limitlab-studio').scrollIntoView()")
    page.wait_for_function(
        f"() => {PLOTS}.every(p => Math.abs(p.querySelector('.main-svg').clientWidth - p.clientWidth) < 6)",
    )
    controls, figures = box(page, ".limitlab-controls"), box(page, ".limitlab-figures")
    assert 280 <= controls[2] - controls[0] <= 330
    assert figures[0] >= controls[2]
    bottom = page.evaluate("document.querySelector('.jp-WindowedPanel-outer').getBoundingClientRect().bottom")
    # the figure of the components, the cursor that moves through it, and the first parameter
    for part in (".js-plotly-plot", ".limitlab-figures .noUi-handle", ".limitlab-controls .noUi-handle"):
        assert box(page, part)[3] <= bottom
    page.set_viewport_size({"width": 820, "height": 1000})
    page.wait_for_function(
        "() => document.querySelector('.limitlab-figures').getBoundingClientRect().top >="
        " document.querySelector('.limitlab-controls').getBoundingClientRect().bottom",
    )
    output = "document.querySelector('.limitlab-studio')"
    assert page.evaluate(f"{output}.scrollWidth - {output}.clientWidth") <= 1


def test_every_control_and_figure_has_a_name_and_none_is_sent_away(open_notebook):
    page = opened(open_notebook)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.noUi-handle')].every(h => h.getAttribute('aria-label'))"
    )
    names = page.evaluate("[...document.querySelectorAll('.noUi-handle')].map(h => h.getAttribute('aria-label'))")
    assert "nonlinear damping" in names
    assert all(page.evaluate(f"{PLOTS}.map(p => p.getAttribute('aria-label'))"))
    buttons = " ".join(page.evaluate("[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title ?? '')"))
    assert "PNG" in buttons
    assert not any(word in buttons.lower() for word in ("cloud", "chart studio", "plotly server"))


def test_figures_follow_the_theme_of_the_lab_and_errors_stay_legible(open_notebook):
    page = opened(open_notebook)
    assert set(page.evaluate(BACKGROUND)) == {"#FFFFFF"}
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_function(f"() => {BACKGROUND}.every(c => c === '#15191E')")
    page.get_by_text("My own equation").click()
    page.locator(".widget-textarea textarea").first.fill("x' = q")
    page.locator("button", has_text="Solve it").click()
    error = page.locator(".limitlab-error", has_text="unknown name")
    error.wait_for()
    assert error.evaluate("e => getComputedStyle(e).color") == "rgb(255, 180, 171)"


def test_a_cell_that_runs_five_times_keeps_one_studio(open_notebook, run_cell):
    page = opened(open_notebook, COUNT)
    counts = []
    for _ in range(3):
        run_cell(page, 1)
        told = page.locator(".jp-OutputArea-output", has_text="studios")
        told.wait_for()
        counts.append(told.inner_text())
        if len(counts) < 3:
            for _ in range(2):
                run_cell(page, 0)
            page.wait_for_function(DRAWN)
            page.evaluate("document.querySelectorAll('.jp-Cell')[1].querySelector('.jp-OutputArea').innerHTML = ''")
    assert all("studios 1" in count for count in counts)
    assert len(set(counts)) == 1


def test_a_saved_notebook_shows_a_picture_and_how_to_wake_the_studio(open_notebook, lab, run_cell, patience):
    page = opened(open_notebook)
    picture = ".limitlab-snapshot"
    assert not page.locator(picture).is_visible()
    page.keyboard.press("Control+s")
    newest = max(lab.folder.glob("*.ipynb"), key=lambda path: path.stat().st_mtime)
    page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
    saved = json.loads(newest.read_text())
    assert any("limitlab-snapshot" in str(output) for output in saved["cells"][0]["outputs"])
    with urllib.request.urlopen(lab.url("api/kernels"), timeout=patience) as answer:
        for kernel in json.load(answer):
            request = urllib.request.Request(lab.url(f"api/kernels/{kernel['id']}"), method="DELETE")
            request.add_header("Authorization", f"token {lab.token}")
            urllib.request.urlopen(request, timeout=patience).close()
    page.close()
    page = page.context.new_page()
    page.goto(lab.url(f"lab/workspaces/again/tree/{newest.name}"), wait_until="domcontentloaded")
    page.locator(picture).wait_for()
    page.wait_for_timeout(3000)
    assert page.locator(f"{picture} path").count() > 1
    assert page.locator(picture, has_text="Run this cell").is_visible()
    for complaint in ("Error displaying widget", "Loading widget"):
        assert not page.get_by_text(complaint).is_visible()
    run_cell(page, 0)
    page.wait_for_function(DRAWN)
    assert not page.locator(picture).is_visible()
