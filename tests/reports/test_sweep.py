"""A sweep runs every point, loses none to another's failure, and ends in one page that compares them."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from limitlab import reports
from limitlab.cli.opening import run_folder
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.reports.page import external_resources


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    code = nbformat.v4.new_code_cell
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# Decay"),
            code("modes = 4  # [1, 99]\nrate = 0.5", metadata={"tags": ["parameters"]}),
            code("if modes == 13:\n    raise ValueError('unlucky')"),
            code("from limitlab import reports\nreports.publish(error=rate / modes)"),
        ]
    )
    path = tmp_path_factory.mktemp("course") / "02-decay.ipynb"
    nbformat.write(book, path)
    return path


def test_failed_point_is_a_line_and_the_others_are_compared(notebook, tmp_path):
    made = reports.sweep(notebook, {"modes": [8, 13, 16]}, workers=2, folder=tmp_path, progress=False)
    assert [point.results.get("error") for point in made.points] == [0.0625, None, 0.03125]
    (failed,) = made.failures
    assert failed.parameters == {"modes": 13}
    assert "ValueError: unlucky" in failed.failure
    text = made.page.read_text()
    assert external_resources(text) == []
    for point in (made.points[0], made.points[2]):
        link = f'href="../{point.page.parent.name}/{point.page.name}"'
        assert link in text
        assert point.page.is_file()
    assert "0.03125" in text
    assert "unlucky" in text
    record = reports.read_record(made.page)
    assert shlex.split(record.command())[1:] == ["sweep", str(notebook), "-p", "modes=8,13,16"]
    assert run_folder(made.page, record) == made.page.parent


def test_sweep_runs_on_the_scheduler_of_an_address(notebook, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        made = reports.sweep(notebook, {"modes": [2]}, scheduler=address, folder=tmp_path, progress=False)
    assert [point.results for point in made.points] == [{"error": 0.25}]


def test_bad_request_is_refused_before_a_cluster_starts(notebook, tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'modes'"):
        reports.sweep(notebook, {"mods": [1]}, folder=tmp_path)
    with pytest.raises(InvalidArgument, match="modes"):
        reports.sweep(notebook, {"modes": [1, 100]}, folder=tmp_path)
    with pytest.raises(InvalidArgument, match="at most 256 points"):
        reports.sweep(notebook, {"modes": range(10**6), "rate": range(10**6)}, folder=tmp_path)
    with pytest.raises(InvalidArgument, match="workers"):
        reports.sweep(notebook, {"modes": [1]}, workers=0, folder=tmp_path)
    with pytest.raises(InvalidArgument, match="at least one parameter"):
        reports.sweep(notebook, {}, folder=tmp_path)
    with pytest.raises(InvalidArgument, match="does not answer"):
        reports.sweep(notebook, {"modes": [1]}, scheduler="nonsense://:-1", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


SLOW = """import os, pathlib, time
done = pathlib.Path("done.txt")
with done.open("a") as file:
    file.write(f"{modes} {os.getpid()}\\n")
if modes == 3 and not pathlib.Path("go-on").exists():
    time.sleep(600)"""


@pytest.fixture
def slow(tmp_path):
    """A notebook that writes down which points ran, and waits for ever at the third until it is told to go on."""
    code = nbformat.v4.new_code_cell
    book = nbformat.v4.new_notebook(
        cells=[
            code("modes = 1  # [1, 9]", metadata={"tags": ["parameters"]}),
            code(SLOW),
            code("from limitlab import reports\nreports.publish(square=modes**2)"),
        ]
    )
    nbformat.write(book, tmp_path / "slow.ipynb")
    return tmp_path / "slow.ipynb"


def ran(notebook):
    path = notebook.with_name("done.txt")
    return [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []


def killed_at_the_third_point(notebook, folder):
    """Sweep over four points in a process of its own, and kill that with all that it started at the third."""
    words = ["sweep", str(notebook), "-p", "modes=1,2,3,4", "--workers", "1", "--folder", str(folder)]
    command = [sys.executable, "-m", "limitlab.cli", *words]
    running = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL, cwd=notebook.parent)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and running.poll() is None and ran(notebook)[-1:] != [3]:
        time.sleep(0.2)
    # the second report may still be on its way to the disk
    while time.monotonic() < deadline and len(list(folder.rglob("slow.html"))) < 2:
        time.sleep(0.2)
    os.killpg(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    # its kernel is of a session of its own, and ends by itself when it has lost its parent
    kernel = int(notebook.with_name("done.txt").read_text().split()[-1])
    with contextlib.suppress(ProcessLookupError):
        os.kill(kernel, signal.SIGKILL)


def test_a_killed_sweep_is_taken_up_where_it_was(slow, tmp_path):
    folder = tmp_path / "reports"
    killed_at_the_third_point(slow, folder)
    assert ran(slow) == [1, 2, 3]
    (tmp_path / "go-on").touch()
    # of the first report only the notebook has come to the disk; of the second only a half
    by_point = {
        nbformat.read(path, 4).metadata.papermill.parameters["modes"]: path for path in folder.rglob("slow.ipynb")
    }
    first, second = by_point[1], by_point[2]
    first.with_suffix(".html").unlink()
    second.write_text(second.read_text()[:200])
    made = reports.sweep(slow, {"modes": [1, 2, 3, 4]}, folder=folder, resume=True, progress=False)
    assert ran(slow) == [1, 2, 3, 2, 3, 4]
    assert [point.results for point in made.points] == [{"square": modes**2} for modes in (1, 2, 3, 4)]
    assert all(point.page.is_file() and point.seconds > 0 for point in made.points)
    again = reports.sweep(slow, {"modes": [1, 2, 3, 4]}, folder=folder, resume=True, progress=False)
    assert [(point.results, point.page) for point in again.points] == [(p.results, p.page) for p in made.points]
    assert len(ran(slow)) == 6


def test_points_of_other_cells_or_versions_are_run_again(notebook, tmp_path):
    folder = tmp_path / "reports"
    (first,) = reports.sweep(notebook, {"modes": [8]}, folder=folder, progress=False).points
    changed = nbformat.read(first.page.with_suffix(".ipynb"), 4)
    changed.metadata.limitlab.versions["torch"] = "0.1"
    nbformat.write(changed, first.page.with_suffix(".ipynb"))
    before = first.page.stat().st_mtime_ns
    (second,) = reports.sweep(notebook, {"modes": [8]}, folder=folder, resume=True, progress=False).points
    assert second.page.stat().st_mtime_ns > before
    book = nbformat.read(notebook, 4)
    book.cells[3].source = book.cells[3].source.replace("rate /", "2 * rate /")
    other = tmp_path / notebook.name
    nbformat.write(book, other)
    (third,) = reports.sweep(other, {"modes": [8]}, folder=folder, resume=True, progress=False).points
    assert (second.results, third.results) == ({"error": 0.0625}, {"error": 0.125})
