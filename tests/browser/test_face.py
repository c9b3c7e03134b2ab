"""What every studio owes people who use no mouse, no eyes, or the dark theme of JupyterLab: names, keys, contrast."""

import re

import pytest
from pages import picture

pytestmark = pytest.mark.browser

STUDIOS = {
    "solver": 'SolverStudio("ornstein_uhlenbeck")',
    "operator": 'OperatorStudio("burgers", size="smoke")',
    "neural_de": 'NeuralDEStudio("annuli", size="smoke")',
    "discovery": 'DiscoveryStudio("lotka_volterra", points=12, adam=5, quasi_newton=2)',
    "width": 'WidthStudio(depth=1, activation="erf", width=16, seeds=2, steps=20)',
}
SHOWN = {"solver": 3, "operator": 4, "neural_de": 3, "discovery": 4, "width": 3}
"""Figures, at least; where they need a training there is one."""
PLOTS = "[...document.querySelectorAll('.js-plotly-plot')].filter(p => p.offsetParent && p.querySelector('.main-svg'))"
REACHED = "(e) => e.offsetParent && (e.tabIndex >= 0 || e.contentEditable === 'true') && !e.closest('[disabled]')"
STOPS = f"""() => [...document.querySelectorAll('.limitlab-studio *')].filter({REACHED}).map((e, number) => {{
    e.dataset.stop = number;
    return `${{number}} ${{e.className || e.tagName}} ${{e.getAttribute('aria-label') ?? e.textContent}}`.slice(0, 90);
}})"""
FOCUSED = """() => document.activeElement.closest('.limitlab-studio')
    && (document.activeElement.closest('[data-stop]')?.dataset.stop ?? '')"""
HEADLESS = """() => [...document.querySelectorAll('.limitlab-studio table')]
    .filter((table) => !table.closest('mjx-container') && !table.querySelector('th[scope]')).map((t) => t.innerText)"""
TEXT = """() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, below) => [0, 1, 2].map((k) => top[3] * top[k] + (1 - top[3]) * below[k]).concat(1);
    const behind = (e) => {
        const plot = e.closest('.js-plotly-plot');
        if (plot) return rgba(plot._fullLayout.paper_bgcolor);
        const layers = [];
        for (; e; e = e.parentElement) {
            layers.push(rgba(getComputedStyle(e).backgroundColor));
            if (layers.at(-1)[3] > 0.99) break;
        }
        return layers.reduceRight((below, top) => over(top, below), [255, 255, 255, 1]);
    };
    const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, k) => {
        const c = colour[k] / 255;
        return sum + weight * (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    }, 0);
    const walker = document.createTreeWalker(document.querySelector('.limitlab-studio'), NodeFilter.SHOW_TEXT);
    const faint = [];
    let seen = 0;
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
        const box = e.getBoundingClientRect();
        if (!text || !box.width || !box.height || getComputedStyle(e).visibility === 'hidden') continue;
        // what cannot be used need not be read; formulas of figures are of their axes
        if (e.closest(':disabled, [disabled], .limitlab-aloud, .modebar, mjx-assistive-mml, style')) continue;
        if (e.closest('.limitlab-choice')?.querySelector('input:disabled')) continue;
        if (e.closest('.limitlab-stale') || e.closest('.colorbar, .annotation-text-g')) continue;
        const style = getComputedStyle(e);
        let opacity = 1;
        for (let part = e; part; part = part.parentElement) opacity *= Number(getComputedStyle(part).opacity);
        const ground = behind(e), ink = rgba(e.closest('svg.main-svg') ? style.fill : style.color);
        const drawn = over([...ink.slice(0, 3), ink[3] * opacity], ground);
        const [low, high] = [light(drawn), light(ground)].sort((a, b) => a - b);
        const ratio = (high + 0.05) / (low + 0.05), size = parseFloat(style.fontSize);
        seen += 1;
        // ornaments such as a coloured dot beside its name are graphics
        const needed = size >= 24 || text.length === 1 ? 3 : 4.5;
        if (ratio < needed) faint.push(`${ratio.toFixed(2)} ${e.className} ${text.slice(0, 40)}`);
    }
    return { seen, faint: [...new Set(faint)] };
}"""


@pytest.fixture(params=list(STUDIOS))
def studio(request, open_notebook):
    """The name of a studio, and the page that shows it."""
    name = request.param
    page = open_notebook(
        f"from limitlab_widgets import *\nstudio = {STUDIOS[name]}\nstudio", "print('ready')", width=1366, height=2200
    )
    page.locator(".limitlab-studio").wait_for()
    if name in ("operator", "discovery"):
        page.locator("button", has_text="Train").first.click()
        page.get_by_text(re.compile(r"trained \d+ steps")).first.wait_for()
    page.wait_for_function(f"() => {PLOTS}.length >= {SHOWN[name]}")
    return name, page


def names(page):
    """Role and name of every part of the studio that takes the focus, as a screen reader is told."""
    session = page.context.new_cdp_session(page)
    root = session.send("Runtime.evaluate", {"expression": "document.querySelector('.limitlab-studio')"})["result"]
    nodes = session.send("Accessibility.queryAXTree", {"objectId": root["objectId"]})["nodes"]
    told = []
    for node in nodes:
        properties = {each["name"]: each["value"].get("value") for each in node.get("properties", ())}
        if not node["ignored"] and properties.get("focusable"):
            told.append((node["role"]["value"], node.get("name", {}).get("value", "").strip()))
    return told


PAPER = {"light": "#FFFFFF", "dark": "#15191E"}


def take_theme(page, theme):
    """As a reader does while the page is open: by the menu."""
    page.locator(".lm-MenuBar-itemLabel", has_text="Settings").click()
    page.locator(".lm-Menu-itemLabel", has_text="Theme").first.hover()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^JupyterLab {theme.title()}$")).first.click()
    page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{str(theme == 'light').lower()}'")
    page.wait_for_function(f"() => {PLOTS}.every(p => p._fullLayout.paper_bgcolor.toUpperCase() === '{PAPER[theme]}')")


def test_a_studio_is_used_by_keyboard_alone_is_named_throughout_and_read_in_both_themes(studio):
    name, page = studio
    heads = page.locator(".limitlab-studio .jupyter-widget-Collapse-header:visible")
    for number in range(heads.count()):
        heads.nth(number).focus()
        if heads.nth(number).get_attribute("aria-expanded") == "false":
            page.keyboard.press("Enter")
        page.wait_for_function("() => document.activeElement.getAttribute('aria-expanded') === 'true'")
    page.locator(".limitlab-studio button", has_text="Code").last.focus()
    page.keyboard.press("Enter")
    page.locator(".limitlab-code").wait_for()
    page.wait_for_timeout(500)

    faults = {"unnamed": [role for role, told in names(page) if not told]}
    figures = page.evaluate(f"{PLOTS}.map(p => [p.getAttribute('role'), p.getAttribute('aria-label')])")
    faults["figures"] = [
        told for role, told in figures if role != "img" or not (" from " in told or "nothing yet" in told)
    ]
    faults["tables"] = page.evaluate(HEADLESS)

    stops = page.evaluate(STOPS)
    page.evaluate("document.querySelector('.limitlab-studio [data-stop=\"0\"]').focus()")
    reached, bare = [], []
    for _ in range(2 * len(stops)):
        stop = page.evaluate(FOCUSED)
        if stop is None:
            break
        # a formula has parts of its own, and what scrolls takes the focus by itself
        if stop and int(stop) not in reached:
            reached.append(int(stop))
            if page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none":
                bare.append(stops[int(stop)])
        page.keyboard.press("Tab")
    faults["not reached"] = [stop for number, stop in enumerate(stops) if number not in reached]
    faults["out of order"] = [
        stops[number] for number, last in zip(reached[1:], reached, strict=False) if number < last
    ]
    faults["focus not seen"] = bare

    # light at last: JupyterLab keeps its theme for all pages to come
    for theme in ("dark", "light"):
        take_theme(page, theme)
        picture(page, f"face-{name}-{theme}", settled=700, studio=True)
        text = page.evaluate(TEXT)
        faults[f"unseen in the {theme} theme"] = [] if text["seen"] > 20 else [text["seen"]]
        faults[f"faint in the {theme} theme"] = text["faint"]
    assert {fault: parts for fault, parts in faults.items() if parts} == {}


def test_a_start_is_put_by_a_click_and_moved_by_arrow_keys(open_notebook):
    page = open_notebook(
        'from limitlab_widgets import SolverStudio\nstudio = SolverStudio("lotka_volterra")\nstudio', height=1400
    )
    page.wait_for_function(f"() => {PLOTS}.length >= 3")
    first = f"(({PLOTS}).find(p => p.layout.yaxis?.title?.text === 'x').data.find(t => t.name === 'tsit5').y[0])"
    page.locator(".jupyter-widget-Collapse-header", has_text="put the start").click()
    plane = page.locator(".limitlab-pad")
    before, box = page.evaluate(first), plane.bounding_box()
    plane.click(position={"x": 0.8 * box["width"], "y": 0.5 * box["height"]})
    page.wait_for_function(f"old => {first} > old", arg=before)
    clicked = page.evaluate(first)
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"old => {first} < old", arg=clicked)
    assert "arrow keys" in plane.get_attribute("aria-label")
