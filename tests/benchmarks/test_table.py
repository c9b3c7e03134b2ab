"""The table, the page and the diagrams of the benchmarks, of what is stored and of files that nobody meant to store."""

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

with pytest.MonkeyPatch.context() as patch:
    # the benchmarks are programs that import each other from their own folder, and some have names of packages of tests
    patch.syspath_prepend(Path(__file__).parent)
    from diagrams import diagrams
    from every import main, measured_and_stored, quick_options
    from load import MOST, Watch, refusal
    from page import MARKS, into, page, stored_diagrams, write
    from table import HEADER, Entry, cells, entries, of_row, printed

HOSTILE = {
    "not_json": "{",
    "a_list": "[1, 2]",
    "nothing": "{}",
    "rows": json.dumps(
        {
            "results": [
                3,
                {},
                {"name": "<script>alert(1)</script>", "wall_seconds": {"ours": 1.0}},
                {"name": "peers gone", "wall_seconds": {"ours": 1.0}, "ratios": {"gone / ours": {"median": 2.0}}},
                {"name": "us gone", "wall_seconds": {"peer": 1.0}, "ratios": {"peer / ours": {"median": 2.0}}},
                {"name": "no numbers", "wall_seconds": {"ours": math.nan, "peer": "soon"}, "ratios": "none"},
                {"name": "no ratio", "wall_seconds": {"ours": 1, "peer": 2}, "ratios": {"peer / ours": math.nan}},
                {"name": "no error", "errors": {"ours": 0.0, "peer": 1.0}, "processor_seconds": None},
                {"name": 7, "errors": {"peer": 1.0}, "load": "high", "measured": 20261201},
                {"name": "bare pair", "wall_seconds": {"ours": 1.0}, "ratios": {"peer": 1.0, "a / b / c": {}}},
            ]
        }
    ),
    "rates": json.dumps({"rates": [None, {"engine": "a & b", "found": {"front": math.inf}}, {"systems": 3}]}),
}


class Tags(HTMLParser):
    """Every element is closed in the order in which it was opened, and which there are."""

    VOID = ("meta", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def hostile(tmp_path):
    for name, text in HOSTILE.items():
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    return tmp_path


def test_every_stored_result_has_a_line_whose_ratio_is_the_one_of_its_file():
    lines = entries()
    assert {entry.suite for entry in lines} >= {"solvers", "operators", "odebench", "discovery_formulas", "width"}
    assert all(len(cells(entry)) == len(HEADER) for entry in lines)
    step = next(entry for entry in lines if entry.work == "FNO step, 64 x 64, 16 modes, 2 threads")
    assert (step.ours, step.peer) == ("ours", "neuraloperator")
    # medians of one row's rounds: the ratio within rounds differs from that of the medians by their spread alone
    assert step.ratio == pytest.approx(step.peer_seconds / step.seconds, rel=0.2)


def test_ours_stands_beside_the_fastest_of_its_peers_and_never_beside_a_bound():
    row = {
        "name": "work",
        "wall_seconds": {"ours": 2.0, "slow": 6.0, "fast": 3.0, "floor": 1.0},
        "ratios": {
            "slow / ours": {"median": 3.0},
            "fast / ours": {"median": 1.5, "lower_quartile": 1.4, "upper_quartile": 1.6},
            "ours / floor": {"median": 2.0},
        },
        "errors": {"ours": 1e-6, "fast": 1e-5, "slow": 1e-7},
    }
    (entry,) = of_row("suite", row)
    assert (entry.peer, entry.ratio, entry.quartiles, entry.peer_error) == ("fast", 1.5, (1.4, 1.6), 1e-5)


def test_at_equal_time_the_ratio_is_that_of_the_errors_of_ours_and_of_the_best_peer():
    errors = {"ours": 1e-6, "bad": 1e-2, "good": 1e-4}
    (entry,) = of_row("suite", {"name": "work", "errors": errors, "processor_seconds": 20.0})
    assert (entry.peer, entry.ratio) == ("good", pytest.approx(100.0))
    assert cells(entry)[HEADER.index("ratio")] == "100 (errors)"


def test_files_that_are_no_results_are_lines_that_say_so(hostile):
    lines = entries(hostile)
    unread = {entry.suite for entry in lines if entry.work == "no results to be read in this file"}
    assert unread == {"not_json", "a_list", "nothing"}
    assert len([entry for entry in lines if entry.suite == "rows"]) == 9  # all but the number
    numbers = [n for e in lines for n in (e.ratio, e.seconds, e.error, e.peer_error, e.load) if n is not None]
    assert all(map(math.isfinite, numbers))
    assert "[rates]" in printed(lines)


def test_the_page_needs_no_network_runs_no_script_and_closes_what_it_opens(hostile):
    for lines in (entries(), entries(hostile)):
        text = page(lines, stored_diagrams())
        tags = Tags(text)
        assert "script" not in tags.seen
        assert "prefers-color-scheme: dark" in text
        assert "src=" not in text
        assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert tags.seen.count("tr") == len(lines) + len({entry.suite for entry in lines})


def test_the_picture_is_of_the_stored_results_and_stands_in_the_readme_and_in_a_lesson():
    root = Path(__file__).parents[2]
    assert (root / "notebooks/images/work-precision.svg").read_text(encoding="utf-8") == stored_diagrams()
    lesson = root / "notebooks/neural_des/01-steps-and-their-control.ipynb"
    assert "(../images/work-precision.svg)" in lesson.read_text(encoding="utf-8")
    assert "(notebooks/images/work-precision.svg)" in (root / "README.md").read_text(encoding="utf-8")


def test_bars_are_as_long_as_the_logarithm_of_the_ratio():
    text = page([Entry("suite", "work", ratio=ratio) for ratio in (10.0, 0.1, 1e9, 0.0)])
    assert text.count("bar better' style='width:4.00rem") == text.count("bar worse' style='width:4.00rem") == 1
    assert "width:12.00rem" in text  # cut at three decades


def test_the_page_of_a_folder_without_results_is_written(tmp_path):
    write(tmp_path / "new" / "page.html", tmp_path, tmp_path / "picture.svg")
    assert Tags((tmp_path / "new" / "page.html").read_text()).seen.count("table") == 0
    assert not (tmp_path / "picture.svg").exists()


def test_the_table_of_a_markdown_file_is_replaced_between_its_marks(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter", encoding="utf-8")
    line = Entry("suite", "a | b", "ours", 1.0, "peer", 2.0, 2.0)
    into(path, [line, Entry("suite", "no ratio")])
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter")
    table = [row for row in text.splitlines() if row.startswith("|")]
    assert [row.count("|") for row in table] == [len(HEADER) + 1] * 3
    into(path, [line])
    assert path.read_text(encoding="utf-8") == text
    (tmp_path / "bare.md").write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match=r"bare\.md has no"):
        into(tmp_path / "bare.md", [line])


def test_diagrams_place_decades_evenly_and_leave_out_what_no_axis_holds():
    points = {
        "ours & co": {"seconds": [0.01, 0.1, 1.0, None], "error": [1e-2, 1e-4, 1e-6, 1e-8]},
        "peer": {"seconds": [0.02, -1.0, 2.0], "error": [1e-2, 1e-3, 0.0]},
    }
    picture = diagrams([{"name": "<a>", "points": points}, {"name": "none", "points": None}, {"name": "bare"}])
    root = ElementTree.fromstring(picture)
    svg = "{http://www.w3.org/2000/svg}"
    (group,) = root.iter(f"{svg}g")
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in group.iter(f"{svg}circle")]
    assert len(circles) == 3  # the peer has one point left, which is no line
    (x0, y0), (x1, y1), (x2, y2) = circles
    # decades of one length: to a tenth of a pixel, the precision of what is written
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert x1 > x0
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2)
    assert y1 > y0  # smaller errors stand lower
    assert diagrams([{"name": "none", "points": {}}]) == ""


def test_rows_are_refused_where_others_kept_more_than_a_core_busy():
    assert refusal("row", MOST) is None
    assert "row is not stored" in refusal("row", MOST + 0.1)
    watch = Watch()
    while watch.seconds < 0.5:
        pass  # our own work, which is not that of others
    own = watch.others()
    elsewhere = Watch()
    elsewhere._before = (elsewhere._before[0] - 10.0, elsewhere._before[1] - 30.0, elsewhere._before[2] - 10.0)
    assert own >= 0.0
    assert elsewhere.others() == pytest.approx(2.0, abs=0.1)  # three cores busy, one of them ours


def test_a_run_replaces_the_stored_rows_of_its_names_alone():
    old = [Entry("a", "x", ratio=1.0), Entry("a", "y", ratio=2.0), Entry("b", "x", ratio=3.0)]
    merged = measured_and_stored([Entry("a", "x", ratio=9.0)], old)
    assert [(e.suite, e.work, e.ratio) for e in merged] == [("a", "y", 2.0), ("a", "x", 9.0), ("b", "x", 3.0)]


def test_short_runs_are_those_that_say_how():
    quick = quick_options()
    assert {"solvers.py", "operators.py", "work_precision.py"} <= set(quick)
    assert not {"odebench.py", "discovery_formulas.py", "natural_gradient.py", "table.py"} & set(quick)
    assert all(isinstance(option, str) for options in quick.values() for option in options)


def test_all_benchmarks_run_one_after_the_other_and_those_that_fail_are_named(tmp_path, capfd):
    row = {"name": "a sum", "wall_seconds": {"ours": 1.0, "peer": 2.0}, "ratios": {"peer / ours": {"median": 2.0}}}
    (tmp_path / "sums.py").write_text(
        "import pathlib, sys\nQUICK = ('--rounds', '1')\n"
        f"pathlib.Path(sys.argv[sys.argv.index('--report') + 1]).write_text({json.dumps({'results': [row]})!r})\n"
    )
    (tmp_path / "wrong.py").write_text("QUICK = ()\nraise SystemExit(3)\n")
    (tmp_path / "slow.py").write_text("print('has no short run')\n")
    assert main(["--page", str(tmp_path / "page.html")], tmp_path) == 1
    printed_lines = capfd.readouterr().out
    assert re.search(r"sums\.py: \d+ s, \d+ s of processor time", printed_lines)
    assert "wrong.py ended with status 3" in printed_lines
    assert "a sum" in printed_lines
    assert "has no short run" not in printed_lines
    assert (tmp_path / "page.html").exists()
