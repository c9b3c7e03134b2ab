"""Pages of reports as a reader sees them: a comparison that is wider than the screen, and has figures."""

import itertools
from pathlib import Path

import pytest
from pages import picture

from limitlab.reports import Point
from limitlab.reports.comparison import comparison

pytestmark = pytest.mark.browser

LONG = "AVeryLongErrorWithoutABlank" * 12


@pytest.fixture
def compared(chromium, tmp_path):
    """A page of 18 runs with 14 metrics and a failure, in a window of 1200 px."""
    points = [
        Point(
            {"modes": modes, "width": width, "seed": seed},
            {"error": 1 / modes + 0.01 * seed, **{f"a_metric_of_the_run_{k}": k + modes * width for k in range(13)}},
            Path("r/x.html"),
            1.0,
        )
        for modes, width, seed in itertools.product((4, 8, 16), (8, 32), (0, 1, 2))
    ]
    points[5] = Point(points[5].parameters, failure=f"ValueError: {LONG}\nand more")
    file = tmp_path / "index.html"
    file.write_text(comparison("Modes and widths", points, Path("r/sweep"), {f"fixed_{k}": k for k in range(40)}))
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= 2")
    yield page
    assert requests == [file.as_uri()]
    context.close()


def test_a_wide_comparison_scrolls_in_its_frame_and_not_the_page(compared):
    width, shown = compared.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width <= shown == 1200
    frame = compared.locator(".wide")
    assert frame.evaluate("e => e.scrollWidth > e.clientWidth")
    frame.focus()
    compared.keyboard.press("ArrowRight")
    compared.wait_for_function("() => document.querySelector('.wide').scrollLeft > 0")
    picture(compared, "comparison")


def test_the_figures_of_a_comparison_have_whole_ticks_bands_and_a_map(compared):
    lines = compared.locator(".js-plotly-plot").first
    ticks = lines.locator(".xtick text").all_text_contents()
    assert [tick.strip() for tick in ticks] == ["4", "8", "16"]
    assert lines.locator(".scatterlayer .js-fill").count() == 2
    assert compared.locator(".js-plotly-plot").nth(1).locator(".heatmaplayer image, .heatmaplayer .hm").count() > 0
    legend, menu = (lines.locator(part).bounding_box() for part in (".legend", ".updatemenu-header"))
    assert legend["x"] >= menu["x"] + menu["width"] or legend["y"] >= menu["y"] + menu["height"]
    lines.locator(".updatemenu-header").click()
    lines.locator(".updatemenu-dropdown-button", has_text="a_metric_of_the_run_0").first.click()
    compared.wait_for_function(
        "() => document.querySelector('.js-plotly-plot .ytitle').textContent === 'a_metric_of_the_run_0'"
    )
    shown = lines.locator(".ytick text").all_text_contents()
    assert shown
    assert all("." not in tick for tick in shown)
