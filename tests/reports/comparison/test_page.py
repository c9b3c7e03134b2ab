"""The page of a comparison says once what did not vary, lists what failed, and needs nothing but itself."""

from pathlib import Path

from bs4 import BeautifulSoup

from limitlab import reports
from limitlab.reports.comparison import comparison
from limitlab.reports.page import external_resources


def heads_of(page):
    return [cell.get_text() for cell in page.select("thead th")]


def test_a_comparison_draws_a_line_for_each_choice_of_the_other_parameters():
    points = [
        reports.Point({"modes": modes, "kind": kind}, {"error": 1 / modes, "note": "a"}, Path(f"r/{modes}/x.html"), 1.0)
        for modes in (16, 8)
        for kind in ("fno", "unet")
    ]
    text = comparison("title", points, Path("r/sweep"))
    assert '"name":"kind=fno"' in text
    assert '"x":[8,16]' in text
    assert '"label":"error"' in text
    assert '"label":"note"' not in text
    assert external_resources(text) == []


def test_what_did_not_vary_stands_in_the_caption_and_in_no_column():
    points = [
        reports.Point({"modes": modes, "rate": 0.5}, {"error": 1 / modes, "claims": 3}, None, 1.0) for modes in (4, 8)
    ]
    page = BeautifulSoup(comparison("title", points, Path(), {"width": 32}), "html.parser")
    assert page.select_one(".same").get_text().replace("\xa0", " ") == (
        "The same in all runs: width = 32, rate = 0.5, claims = 3."
    )
    assert heads_of(page) == ["modes", "error", "duration", ""]


def test_failures_are_listed_with_the_first_line_of_their_error():
    points = [
        reports.Point({"modes": 8, "kind": "a"}, {"error": 0.5}),
        reports.Point({"modes": 9, "kind": "b"}, failure="ValueError: <dead>\nand more"),
    ]
    page = BeautifulSoup(comparison("title", points, Path()), "html.parser")
    (line,) = page.select(".failures li")
    assert line.get_text() == "modes = 9, kind = b: ValueError: <dead>"
    assert "1 failed" in page.get_text()
    assert page.select("tbody tr")[1].get_text().endswith("failed")


def test_a_comparison_of_results_that_are_not_finite_has_a_table_and_no_broken_figure():
    points = [reports.Point({"modes": 8}, {"error": float("nan")}), reports.Point({"modes": 9}, failure="<dead>")]
    text = comparison("title", points, Path())
    assert "<td>nan</td>" in text
    assert "&lt;dead&gt;" in text
    assert "plotly.js" not in text


def test_the_table_stands_in_a_frame_that_keys_can_scroll():
    points = [reports.Point({"modes": modes}, {f"metric_{k}": modes + k for k in range(40)}) for modes in (4, 8)]
    page = BeautifulSoup(comparison("title", points, Path()), "html.parser")
    (frame,) = page.select(".wide")
    assert frame["tabindex"] == "0"
    assert frame.find("table") is not None
    assert ".wide { overflow-x: auto; }" in page.find("style").get_text()
