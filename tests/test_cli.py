"""The command line: bad requests end in one line and exit code 2 before anything is computed; good ones are met."""

import contextlib
import dataclasses
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from limitlab import systems
from limitlab.cli import main
from limitlab.cli.running import metric_lines
from limitlab.cli.studio import names as studio_names
from limitlab.training.device import DEVICES, PRECISIONS


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A working folder with one notebook, whose kernel would show that it ran by making a file."""
    code = nbformat.v4.new_code_cell
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# Waves"),
            code("modes = 4  # [1, 9]\nlabel = 'a'\nwait = 0.0", metadata={"tags": ["parameters"]}),
            code("import time, pathlib\npathlib.Path('ran').touch()\ntime.sleep(wait)"),
            code("from limitlab import reports\nreports.publish(square=modes**2)"),
        ],
        metadata={"limitlab": {"smoke": {"modes": 2, "label": "b"}}},
    )
    folder = tmp_path / "notebooks" / "operators"
    folder.mkdir(parents=True)
    nbformat.write(book, folder / "01-waves.ipynb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIMITLAB_NOTEBOOKS", raising=False)
    return tmp_path


def refusal(capsys, *arguments):
    """The one line that a refused command leaves on stderr."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("limitlab: ")
    assert len(line) < 2000
    return line


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["reprot"], "invalid choice: 'reprot'"),
        ([], "required: COMMAND"),
        (["report"], "required: NOTEBOOK"),
        (["report", "wavs"], "did you mean 'waves'"),
        (["report", "no/such.ipynb"], "unknown notebook"),
        (["report", "x" * 10**6], "at most"),
        (["report", "waves", "-p", "mode=3"], "did you mean 'modes'"),
        (["report", "waves", "-p", "modes"], "name=value"),
        (["report", "waves", "-p", "modes=10"], "a whole number in [1, 9]; got '10'"),
        (["report", "waves", "-p", "modes=4.5"], "a whole number"),
        (["report", "waves", "-p", "modes=2,3"], "a whole number"),
        (["report", "waves", "-p", "modes=__import__('os').system('touch hacked')"], "a whole number"),
        (["report", "waves", "-p", "modes=" + "9" * 10**7], "longer than"),
        (["report", "waves", "-p", "label=a\x1b[2Jb"], "not printable"),
        (["report", "waves", "--to", "pdf"], "invalid choice: 'pdf'"),
        (["report", "waves", "--bogus"], "unrecognized arguments"),
        (["sweep", "waves"], "at least one parameter"),
        (["sweep", "waves", "-p", "modes=1,2,x"], "a whole number"),
        (["sweep", "waves", "-p", "modes=1,2", "--workers", "0"], "workers"),
        (["sweep", "waves", "-p", "modes=1,2", "--workers", "two"], "invalid int value"),
        (["course"], "required: --out"),
        (["course", "--out", "notebooks/class"], "lies in the course"),
        (["open"], "required: PAGE"),
        (["list", "system"], "did you mean 'systems'"),
        (["lab", "waves", "--port", "99999999"], "--port"),
    ],
    ids=lambda value: " ".join(value)[:50].encode("unicode_escape").decode() if isinstance(value, list) else None,
)
def test_bad_request_is_one_line_and_exit_code_two_and_nothing_runs(arguments, part, course, capsys):
    assert part in refusal(capsys, *arguments)
    assert sorted(path.name for path in course.rglob("*") if path.is_file()) == ["01-waves.ipynb"]


def test_help_is_not_an_error(capsys):
    assert main(["--help"]) == 0
    assert "sweep" in capsys.readouterr().out


def test_the_help_of_a_run_names_the_precisions_and_devices_that_there_are(capsys):
    with contextlib.suppress(SystemExit):
        main(["run", "--help"])
    words = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert f"--precision PRECISION {' or '.join(PRECISIONS)} --" in words
    assert f"--device DEVICE {', '.join(DEVICES[:-1])} or {DEVICES[-1]} --" in words


def test_report_writes_a_page_and_prints_results_and_its_place(course, capsys):
    assert main(["report", "waves", "-p", "modes=3", "--to", "html"]) == 0
    published, place = capsys.readouterr().out.splitlines()
    assert published == "square = 9"
    assert Path(place).is_file()
    assert place.startswith("reports/01-waves-")


def opened(capsys, page):
    """What `limitlab open` prints of a page, its exit code, and what it says of differences."""
    code = main(["open", str(page)])
    captured = capsys.readouterr()
    return captured.out.splitlines(), code, captured.err


def test_a_page_opens_its_run_again(course, capsys):
    assert main(["report", "waves", "-p", "modes=3", "-p", "label=it's here"]) == 0
    *_, page = capsys.readouterr().out.splitlines()
    (command, folder), code, _ = opened(capsys, page)
    assert (folder, code) == (str(Path(page).resolve().parent), 0)
    program, *words = shlex.split(command)
    assert (program, words[:2]) == ("limitlab", ["report", "operators/01-waves"])
    before = Path(page).stat().st_mtime_ns
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == page
    assert Path(page).stat().st_mtime_ns > before
    # a page that was sent away finds the run in the reports of whoever made it
    moved = Path("moved.html")
    moved.write_text(Path(page).read_text())
    assert opened(capsys, moved)[0] == [command, folder]


def test_a_page_whose_notebook_has_changed_runs_the_copy_beside_it(course, capsys):
    assert main(["report", "waves", "-p", "modes=3"]) == 0
    *_, page = capsys.readouterr().out.splitlines()
    original = course / "notebooks/operators/01-waves.ipynb"
    book = nbformat.read(original, 4)
    book.cells[-1].source = "reports.publish(square=0)"
    nbformat.write(book, original)
    (command, folder), code, _ = opened(capsys, page)
    assert code == 0
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "square = 9"
    alone = Path("alone.html")
    alone.write_text(Path(page).read_text())
    shutil.rmtree(folder)
    (command,), code, said = opened(capsys, alone)
    assert (command, code) == ("limitlab report operators/01-waves -p modes=3", 1)
    assert "has changed, and no copy" in said
    assert "folder of its run is not here" in said


def test_other_versions_are_said(course, capsys):
    assert main(["report", "waves", "--to", "ipynb"]) == 0
    *_, path = capsys.readouterr().out.splitlines()
    book = nbformat.read(path, 4)
    book.metadata.limitlab.versions["torch"] = "0.1"
    nbformat.write(book, path)
    (command, _), code, said = opened(capsys, path)
    assert (command, code) == ("limitlab report operators/01-waves", 1)
    assert "made with torch 0.1, here" in said


def test_a_file_that_is_no_page_of_ours_is_not_opened(course, capsys):
    Path("page.html").write_text("<p>of somebody</p>")
    assert "not a page of limitlab" in refusal(capsys, "open", "page.html")
    assert "is not a file" in refusal(capsys, "open", "none.html")


def test_smoke_report_takes_the_notebooks_parameters_below_those_of_the_command(course, capsys):
    assert main(["report", "waves", "--smoke", "-p", "label=c", "--to", "ipynb"]) == 0
    published, path = capsys.readouterr().out.splitlines()
    assert published == "square = 4"
    recorded = nbformat.read(path, as_version=4).metadata["limitlab"]["parameters"]
    assert recorded == {"modes": 2, "label": "c", "wait": 0.0}


def test_interrupted_report_ends_with_130_and_no_traceback(course):
    command = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from limitlab.cli import main; "
    command += "raise SystemExit(main(['report', 'waves', '-p', 'wait=120']))"
    running = subprocess.Popen([sys.executable, "-c", command], stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if (course / "notebooks" / "operators" / "ran").exists():
            break
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    errors = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "limitlab: interrupted"


def test_a_course_is_written_once(course, capsys):
    assert main(["course", "--out", "class"]) == 0
    folders = capsys.readouterr().out.splitlines()
    assert folders == [str(course / "class" / kind) for kind in ("student", "teacher")]
    assert all((Path(folder) / "operators/01-waves.ipynb").is_file() for folder in folders)
    assert "nothing is written over" in refusal(capsys, "course", "--out", "class")


def test_notebooks_are_listed_with_title_and_parameters(course, capsys):
    assert main(["list", "notebooks", "--markdown"]) == 0
    assert "| operators/01-waves | Waves | modes=4, label=a, wait=0.0 |" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self):
        return True


def listed(monkeypatch, columns, *arguments):
    """The lines that a terminal of so many columns shows."""
    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["list", *arguments]) == 0
    return terminal.getvalue().splitlines()


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("table", ["problems", "experiments", "notebooks", "operators", "systems"])
def test_a_list_fits_the_terminal_and_cuts_no_name(table, columns, monkeypatch):
    head, *lines = listed(monkeypatch, columns, table)
    assert max(map(len, [head, *lines])) <= columns
    names = [entry["name"] for entry in json.loads("\n".join(listed(monkeypatch, columns, table, "--json")))]
    assert [line.split()[0] for line in lines] == names
    assert head.split()[0] == "name"


def test_in_a_narrow_terminal_the_widest_cells_are_cut(monkeypatch):
    head, *lines = listed(monkeypatch, 80, "problems")
    assert head.split() == ["name", "kind", "title", "equation", "parameters"]
    (line,) = (line for line in lines if line.startswith("hodgkin_huxley "))
    assert line.count("…") == 3
    assert "ode" in line.split()


def test_a_terminal_that_is_too_narrow_for_all_columns_shows_the_first(monkeypatch):
    head, *lines = listed(monkeypatch, 40, "problems")
    assert head.split() == ["name", "kind"]
    assert "stochastic_lotka_volterra" in "".join(lines)


def test_wide_lists_are_whole_lines_in_any_terminal(monkeypatch):
    lines = listed(monkeypatch, 80, "problems", "--wide")
    assert "…" not in "".join(lines)
    (line,) = (line for line in lines if line.startswith("lorenz "))
    assert line.endswith("sigma=10 [1, 20], rho=28 [0.5, 50], beta=2.66667 [0.5, 5]")


def test_a_list_in_json_has_numbers_and_ranges(capsys):
    assert main(["list", "problems", "--json"]) == 0
    by_name = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert by_name["lorenz"]["parameters"][1] == {"name": "rho", "default": 28.0, "low": 0.5, "high": 50.0}
    assert by_name["toda"]["parameters"] == []
    assert main(["list", "systems", "--json"]) == 0
    assert all(isinstance(entry["number"], int) for entry in json.loads(capsys.readouterr().out))


def test_one_form_of_a_list_is_asked_for(capsys):
    assert "not allowed with argument" in refusal(capsys, "list", "problems", "--json", "--wide")


def test_systems_in_markdown_are_the_table_of_the_readme(capsys):
    assert main(["list", "systems", "--markdown"]) == 0
    assert capsys.readouterr().out == systems.markdown_table() + "\n"


def test_the_table_of_systems_is_written_between_the_markers_of_a_file(course, capsys):
    readme = course / "README.md"
    readme.write_text("before\n<!-- systems -->\nold\n<!-- /systems -->\nafter\n")
    assert main(["list", "systems", "--into", str(readme)]) == 0
    expected = f"before\n<!-- systems -->\n\n{systems.markdown_table()}\n\n<!-- /systems -->\nafter\n"
    assert readme.read_text() == expected
    capsys.readouterr()
    readme.write_text("no markers")
    assert "has no markers" in refusal(capsys, "list", "systems", "--into", str(readme))
    assert "tables systems and lessons" in refusal(capsys, "list", "problems", "--into", str(readme))
    assert "no notebooks" in refusal(capsys, "list", "lessons", "--into", str(readme))


@pytest.mark.parametrize(
    ("table", "entry"),
    [("problems", "burgers"), ("operators", "fno"), ("experiments", "darcy_fno"), ("systems", "ntk")],
)
def test_catalogues_are_listed(table, entry, capsys):
    assert main(["list", table]) == 0
    assert any(entry in line.split() for line in capsys.readouterr().out.splitlines())


def test_lab_opens_the_notebook_below_the_course_and_keeps_the_token(course, monkeypatch):
    commands = []

    def replaced(program, command):
        commands.append(command)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", replaced)
    assert main(["lab", "waves", "--no-browser", "--port", "8899"]) == 0
    (command,) = commands
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={course}" in command
    assert {"--no-browser", "--port=8899", str(course / "notebooks/operators/01-waves.ipynb")} < set(command)
    assert not any("token" in part or "password" in part or "ip=" in part for part in command)


INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
INTERRUPTIBLE += "from limitlab.cli import main; raise SystemExit(main({arguments!r}))"


@pytest.fixture
def served_studio():
    """Address of the solver studio, and the process that serves it."""
    pytest.importorskip("voila", reason="voila is missing: the extra `lab` brings it")
    command = INTERRUPTIBLE.format(arguments=["studio", "solver", "--no-browser"])
    with subprocess.Popen(
        [sys.executable, "-c", command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        yield running.stdout.readline().strip(), running
        if running.poll() is None:
            running.kill()


def answer_to(address):
    """Status of the answer to a request, where a redirect is one."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    try:
        with urllib.request.build_opener(Stay).open(address, timeout=120) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_studio_answers_nobody_without_its_token_and_ends_when_interrupted(served_studio):
    address, running = served_studio
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
    origin, _, token = address.partition("?token=")
    for path in ("", "?token=", f"?token={token[:-1]}", "login", "api/kernels/0", "voila/files/solver.ipynb"):
        assert answer_to(f"{origin}{path}") == 403, path
    # no other address of this machine
    with contextlib.suppress(OSError):
        (other,) = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        if not other.startswith("127."):
            with pytest.raises(urllib.error.URLError):
                answer_to(address.replace("127.0.0.1", other))
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) == 0


def test_studios_are_those_of_the_widgets_and_a_misspelt_one_gets_the_nearest_name(capsys):
    import limitlab_widgets

    kinds = [name for name in limitlab_widgets.__all__ if name.endswith("Studio")]
    assert sorted(getattr(limitlab_widgets, kind).__module__.split(".")[1] for kind in kinds) == list(studio_names())
    assert "did you mean 'solver'" in refusal(capsys, "studio", "solvr")
    assert "--port" in refusal(capsys, "studio", "solver", "--port", "70000")
    main(["studio", "--help"])
    told = capsys.readouterr().out
    assert all(name in told for name in studio_names())


def test_doctor_names_device_threads_and_a_writable_cache(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "cache"))
    assert main(["doctor"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert {"python", "torch", "device", "threads", "cache", "lab", "chromium"} <= set(lines)
    assert "0.0 MB" in lines["cache"]


def test_doctor_fails_where_the_cache_cannot_be_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "file" / "cache"))
    assert main(["doctor"]) == 1
    assert "BROKEN" in capsys.readouterr().out


@pytest.fixture
def line_experiment(monkeypatch):
    """A line fitted to five points, as an experiment."""
    import torch

    from limitlab import experiments
    from limitlab.experiments import Ensemble, Experiment, Prepared, Trial, option, sizes
    from limitlab.labels import labelled
    from limitlab.training import Recipe, fixed

    @dataclasses.dataclass(frozen=True)
    class LineSettings(Ensemble):
        steps: int = option(20, "gradient steps", low=1, high=100)

    def build(seed):
        torch.manual_seed(seed)
        return torch.nn.Linear(1, 1)

    def square(model, batch):
        return {"square": (model(batch["x"]) - 2 * batch["x"] - 1).square().mean()}

    def prepare(settings, progress=False):
        recipe = Recipe(square, fixed(x=torch.linspace(-1, 1, 5)[:, None]), settings.steps, 0.1)
        trial = Trial({"shape": "line"}, build, recipe)
        return Prepared((trial,), lambda model, fresh: labelled(slope=("", model.weight.squeeze(), "slope")), None)

    course = sizes(LineSettings(seeds=1), smoke={"steps": 5}, paper={"steps": 100})
    experiment = Experiment("ntk", "A line", course, prepare, lambda result: {}, name="line")
    monkeypatch.setattr(experiments, "get", lambda name: experiment)
    return experiment


def test_run_trains_stores_and_prints_metrics(line_experiment, tmp_path, monkeypatch, capsys):
    from limitlab.training import runs

    monkeypatch.chdir(tmp_path)
    assert main(["run", "line", "--size", "smoke", "-o", "steps=7", "--seed", "3"]) == 0
    *_, folder = capsys.readouterr().out.splitlines()
    run = runs.open(folder)
    assert (run.settings, run.seed) == ({"seeds": 1, "seed": 3, "steps": 7}, 3)
    assert len(run.child("line/seed-3000").log) == 7


def test_a_run_is_tracked_into_its_folder(line_experiment, tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboard", reason="tensorboard is missing: the extra `track` brings it")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "line", "--size", "smoke", "--track", "tensorboard"]) == 0
    *_, folder = capsys.readouterr().out.splitlines()
    assert len(list((tmp_path / folder / "tensorboard/line/seed-0").glob("events.*"))) == 1


def test_finished_run_is_refused_without_resume_and_taken_up_with_it(line_experiment, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "line", "--size", "smoke"]) == 0
    first = capsys.readouterr().out
    assert "already holds a run" in refusal(capsys, "run", "line", "--size", "smoke")
    assert main(["run", "line", "--size", "smoke", "--resume"]) == 0
    assert capsys.readouterr().out == first


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--size", "cours"], "did you mean 'course'"),
        (["-o", "stepps=3"], "did you mean 'steps'"),
        (["-o", "steps=0"], ">= 1"),
        (["-o", "steps=many"], "a whole number"),
        (["-o", "steps=__import__('os')"], "a whole number"),
        (["-o", "steps"], "name=value"),
        (["-o", "steps=3", "-o", "steps=4"], "given twice"),
        (["-o", "seed=1", "--seed", "2"], "given twice"),
        (["-o", "steps=" + "9" * 10**7], "at most"),
        (["--device", "cpu"], "unknown setting 'device'"),
        (["--track", "tensorbord"], "did you mean 'tensorboard'"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else None,
)
def test_bad_setting_is_refused_before_a_run_is_made(arguments, part, line_experiment, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert part in refusal(capsys, "run", "line", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_unknown_experiment_is_answered_with_the_nearest(capsys):
    assert "did you mean 'burgers_fno'" in refusal(capsys, "run", "burgers_fnoo")


def test_metrics_are_averaged_over_samples_and_spread_over_seeds():
    import xarray as xr

    errors = xr.DataArray(
        [[[[0.1, 0.3]], [[0.2, 0.4]]]],
        dims=("model", "seed", "resolution", "sample"),
        coords={"model": ["fno"], "seed": [0, 1], "resolution": [64]},
        attrs={"long_name": "relative L2 error"},
    )
    title, header, row = metric_lines(xr.Dataset({"relative_l2": errors}))
    assert title == "relative L2 error by resolution"
    assert header.split() == ["64"]
    assert row.split() == ["fno", "0.25", "±", "0.071"]
