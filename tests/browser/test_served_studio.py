"""`limitlab studio solver`: one page with the studio and no code, whose controls reach a kernel."""

import signal
import subprocess
import sys

import pytest
from pages import picture

pytestmark = pytest.mark.browser

COMMAND = """import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from limitlab.cli import main
raise SystemExit(main(["studio", "solver", "--no-browser"]))"""
PLOTS = "[...document.querySelectorAll('.js-plotly-plot')].filter(p => p.offsetParent)"
ANSWER = f"""() => {{
    const lines = ({PLOTS}).flatMap(p => p.data).filter(t => t.name === 'tsit5' && t.y && t.y.length);
    return lines.length ? Array.from(lines[0].y).slice(-5).join() : '';
}}"""


@pytest.fixture
def address(patience):
    pytest.importorskip("voila", reason="voila is missing: the extra `lab` brings it")
    with subprocess.Popen([sys.executable, "-c", COMMAND], stdout=subprocess.PIPE, text=True) as serving:
        yield serving.stdout.readline().strip()
        serving.send_signal(signal.SIGINT)
        assert serving.wait(timeout=patience) == 0


def test_a_reader_moves_a_control_and_a_figure_changes(address, chromium, patience):
    context = chromium.new_context(viewport={"width": 1500, "height": 1200})
    context.set_default_timeout(1000 * patience)
    page = context.new_page()
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_function(f"() => {PLOTS}.length === 3 && ({ANSWER})()")
    # neither code nor the picture that stands for a studio without a kernel
    assert page.locator(".jp-CodeCell .jp-InputArea-editor:visible, .limitlab-snapshot:visible").count() == 0
    handle = page.locator(".widget-inline-hbox:has([title='nonlinear damping']) .noUi-handle")
    handle.focus()
    page.wait_for_timeout(1500)
    old = page.evaluate(ANSWER)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"old => ({ANSWER})() !== old", arg=old)
    picture(page, "served-studio", studio=True)
    context.close()
