"""The site as it is built from this checkout: no link is broken, nothing is fetched, and its pages come alive."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pages import picture

from limitlab.reports.site import build

ROOT = Path(__file__).parents[2]
LESSON = "lessons/operators/01-fourier-neural-operator.html"


class Links(HTMLParser):
    """The addresses and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.fetched, self.anchors = [], [], {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        address = given.get("href") or given.get("src")
        if address and not address.startswith(("data:", "mailto:")):
            self.addresses.append(address)
            fetches = tag not in ("a", "area") and given.get("rel") not in ("canonical",)
            self.fetched += [address] if fetches else []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("docs")).parent


@pytest.fixture(scope="module")
def links(site):
    return {path: Links(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


@pytest.mark.slow
def test_every_link_leads_to_a_page_and_to_an_anchor_of_it(site, links):
    broken = []
    for page, found in links.items():
        for address in found.addresses:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file() or (target in links and unquote(parts.fragment) not in links[target].anchors):
                broken.append(f"{page.relative_to(site)}: {address}")
    assert not broken, "\n".join(broken)


@pytest.mark.slow
def test_no_page_fetches_anything_from_elsewhere(site, links):
    assert {address for found in links.values() for address in found.fetched if urlsplit(address).netloc} == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//|@import", styles)


@pytest.mark.slow
def test_all_formulas_of_the_course_are_drawn(site):
    pages = [path.read_text(encoding="utf-8") for path in (site / "lessons").rglob("*.html")]
    assert sum(page.count("<math ") for page in pages) > 1000
    assert not [found for page in pages for found in re.findall(r'class="tex".{0,200}', page)]


@pytest.fixture
def opened(site, chromium, patience):
    """A page of the site from the disk, dark or light; what went wrong on it is an error of the test."""
    contexts, errors = [], []

    def open_page(name, scheme="light"):
        context = chromium.new_context(viewport={"width": 1366, "height": 768}, color_scheme=scheme)
        context.set_default_timeout(1000 * patience)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "request", lambda request: request.url.startswith(("file:", "data:", "blob:")) or errors.append(request.url)
        )
        page.on("console", lambda said: said.type == "error" and errors.append(said.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"file://{site}/{name}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def paper(page):
    """The brightness of the page's background, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_light_and_dark(opened, scheme):
    for name, ready in (
        ("index.html", "h1"),
        (LESSON, "math"),
        ("api/limitlab.solvers.html", "dt.sig"),
        ("gallery.html", ".small .main-svg"),
        ("benchmarks.html", ".bar"),
        ("source/limitlab/solvers/ode/solve.html", "pre"),
    ):
        page = opened(name, scheme)
        page.locator(ready).first.wait_for()
        assert (paper(page) > 128) == (scheme == "light")
        picture(page, f"site-{Path(name).stem}-{scheme}")


@pytest.mark.browser
def test_a_figure_is_drawn_when_it_is_near_and_follows_the_theme(opened):
    page = opened(LESSON)
    figure = page.locator("#figure-1")
    figure.scroll_into_view_if_needed()
    page.locator("#figure-1[data-drawn=light]").wait_for()
    ink = "getComputedStyle(document.querySelector('#figure-1 .xtick text')).fill"
    before = page.evaluate(ink)
    while page.evaluate("document.body.dataset.theme") != "dark":
        page.locator("button.theme-toggle:visible").first.click()
    # the button is far above the figure, which is drawn anew when it is near again
    figure.scroll_into_view_if_needed()
    page.locator("#figure-1[data-drawn=dark]").wait_for()
    assert page.evaluate(ink) != before


@pytest.mark.browser
def test_a_picture_of_the_gallery_opens_the_cell_that_drew_it(opened):
    page = opened("gallery.html")
    card = page.locator(f"a.card[href^='{LESSON}']").nth(1)
    card.scroll_into_view_if_needed()
    card.click()
    page.wait_for_url("**#figure-2")
    page.locator("#figure-2 .main-svg").first.wait_for()


@pytest.mark.browser
def test_the_search_finds_a_function_and_a_lesson(opened):
    for word, found in (("solve_ode", "api/limitlab.solvers.html"), ("multigrid", "lessons/operators/02")):
        page = opened(f"search.html?q={word}")
        page.locator(f"#search-results a[href*='{found}']").first.wait_for()
