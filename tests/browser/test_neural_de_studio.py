"""The neural DE studio as a reader has it: pick a class, watch it train, take values away at test, load a file."""

import os

import pytest
from pages import cut_texts, picture

pytestmark = pytest.mark.browser

STUDIO = """from limitlab_widgets import NeuralDEStudio
studio = NeuralDEStudio("annuli", samples=40, width=16, steps=2000)
studio"""
PLOTS = "[...document.querySelectorAll('.js-plotly-plot')].filter(p => p.offsetParent && p.querySelector('.main-svg'))"
PATHS = f"{PLOTS}.find(p => p.data.some(t => t.name === 'class 0'))"
CALLS = f"{PLOTS}.find(p => p.layout.yaxis?.title?.text?.startsWith('field calls'))"
MISSING = f"{PLOTS}.find(p => p.data.some(t => t.name === 'lsde, now'))"
OWN = "time,u,v,series,label\n" + "\n".join(
    f"{t},{'' if (t + k) % 3 == 2 else t * (k % 2)},{k - t},s{k},{'up' if k % 2 else 'down'}"
    for k in range(12)
    for t in range(6)
)


def press(page, name):
    page.locator("button:not([disabled]):visible", has_text=name).click()


def choose(page, description, option):
    page.locator(".widget-dropdown", has_text=description).first.locator("select").select_option(option)


def upload(page, name, text):
    with page.expect_file_chooser() as chooser:
        press(page, "Series of mine")
    chooser.value.set_files({"name": name, "mimeType": "text/csv", "buffer": text.encode()})


def test_a_reader_trains_classes_and_takes_values_away(open_notebook):
    page = open_notebook(STUDIO, width=1366, height=768)
    page.wait_for_function(f"() => {PATHS}")
    picture(page, "neural-de-1-opened", settled=2500, studio=True)
    assert cut_texts(page) == []

    choose(page, "class", "augmented ODE")
    press(page, "Train")
    page.wait_for_function(f"() => {CALLS}?.data.at(-1)?.x.length >= 4")
    early = page.evaluate(f"{PATHS}.data[1].x[0]")
    page.wait_for_function(f"() => {PATHS}?.data[1]?.x[0] !== {early}")
    picture(page, "neural-de-2-training", settled=2500, studio=True)
    press(page, "Stop")
    page.locator(".limitlab-status", has_text="stopped after").wait_for()
    page.get_by_text("on the test set").wait_for()

    choose(page, "data", "series: frequencies")
    page.locator(".limitlab-old", has_text="the data changed since").wait_for()
    page.get_by_text("steps, rate, width").click()
    for title, value in (("training steps", "6"), ("units of a hidden layer", "8")):
        field = page.locator(f".widget-inline-hbox:has([title='{title}']) input")
        field.fill(value)
        field.press("Enter")
    for name, title in (("ode", "neural ODE"), ("lsde", "Langevin SDE")):
        choose(page, "class", title)
        press(page, "Train")
        page.locator(".limitlab-status", has_text=f"{name}: trained 6 steps").wait_for()
    page.wait_for_function(f"() => {MISSING}")
    before = page.evaluate(f"{MISSING}.data.find(t => t.name === 'lsde, now').x[0]")
    page.locator(".widget-inline-hbox:has([title='share of the test values that is missing']) .noUi-handle").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"() => {MISSING}?.data.find(t => t.name === 'lsde, now')?.x[0] > {before} + 0.3")
    page.wait_for_function(f"() => {PLOTS}.some(p => p.data.some(t => t.name === 'missing' && t.x.length > 3))")
    picture(page, "neural-de-3-series", settled=2500, studio=True)

    upload(page, "bad.csv", "time,x\n0,1\n1,one\n2,2\n3,3\n")
    page.locator(".limitlab-error", has_text="line 3 of bad.csv").wait_for()
    upload(page, "mine.csv", OWN)
    page.get_by_text("mine.csv: Series(12 samples").wait_for()
    choose(page, "class", "linear-noise SDE")
    press(page, "Train")
    page.locator(".limitlab-status", has_text="lnsde: trained 6 steps").wait_for()
    if "LIMITLAB_SCREENSHOTS" in os.environ:
        page.set_viewport_size({"width": 1366, "height": 2000})
    picture(page, "neural-de-4-own", settled=2500, studio=True)
    assert cut_texts(page) == []
    output = "document.querySelector('.limitlab-studio')"
    assert page.evaluate(f"{output}.scrollWidth - {output}.clientWidth") <= 1
    # the figures that gained a neighbour, or lost one, are as wide as their columns
    page.wait_for_function(
        f"() => {PLOTS}.every(p => Math.abs(p.querySelector('.main-svg').clientWidth - p.clientWidth) < 6)"
    )
