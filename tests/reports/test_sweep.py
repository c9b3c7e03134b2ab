"""A sweep runs every point, loses none to another's failure, and ends in one page that compares them."""

import nbformat
import pytest

from limitlab import reports
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
