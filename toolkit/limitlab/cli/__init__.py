"""`limitlab`: reports, sweeps, experiments, lists, the lab, a first folder and a check-up, from the command line.

A request that cannot be met (an unknown name, a wrong type, a value out of range) ends in one line on stderr and exit
code 2 before anything is computed. A computation that fails ends in one line and 1, an interrupted one in 130.
Commands import what they need when they run, so that `limitlab --help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

from limitlab.cli.listing import TABLES
from limitlab.errors import InvalidArgument, LimitlabError

Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"

LONGEST_MESSAGE = 1500
LAB_PACKAGES = (
    "bs4",
    "ipykernel",
    "jupyter_client",
    "jupyterlab",
    "latex2mathml",
    "nbconvert",
    "nbformat",
    "papermill",
    "voila",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        options = _parser().parse_args(arguments)
        return _command(options.command)(options)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except InvalidArgument as error:
        return _fail(error, 2)
    except LimitlabError as error:
        return _fail(error, 1)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in LAB_PACKAGES:
            raise
        return _fail(f"{error.name} is not installed; the lab extra brings it: pip install 'limitlab[lab]'", 1)
    except BrokenPipeError:
        # Python flushes stdout once more when it ends, and would complain about the closed pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def __init__(self, **settings: Any) -> None:
        # abbreviations break when an option is added
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise InvalidArgument(f"{message} (see: {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="limitlab", description="Reports, experiments and notebooks of the laboratory.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    _add_notebooks(commands)
    _add_experiments(commands)
    _add_lists(commands)
    _add_places(commands)
    commands.add_parser("doctor", help="check this installation")
    return parser


def _add_notebooks(commands: Commands) -> None:
    """What runs notebooks."""
    report = commands.add_parser("report", help="run a notebook with parameters and write a page")
    _notebook_arguments(report, "name=value", "a parameter of the notebook")
    report.add_argument(
        "--to", choices=("html", "ipynb"), default="html", help="a page, or the executed notebook alone"
    )
    report.add_argument("--smoke", action="store_true", help="with the notebook's own parameters of a quick run")

    sweep = commands.add_parser("sweep", help="run a notebook for a product of parameters and compare")
    _notebook_arguments(sweep, "name=value,value", "values to try (for a parameter that is a list: separated by ;)")
    _cluster_arguments(sweep)

    claims = commands.add_parser("claims", help="run a notebook at several seeds and see which claims hold")
    _notebook_arguments(claims, "name=value", "a parameter of the notebook, the same at all seeds")
    claims.add_argument("--seeds", default="3", metavar="N", help="how many, from its own on, or which: 0,7,1000")
    _cluster_arguments(claims)

    opened = commands.add_parser("open", help="the command that makes a finished report again, and its run's folder")
    opened.add_argument("page", metavar="PAGE", help="page of a report or of a sweep, or an executed notebook")


def _add_experiments(commands: Commands) -> None:
    """What trains."""
    run = commands.add_parser("run", help="run an experiment: data, training, metrics")
    run.add_argument("experiment", metavar="EXPERIMENT", help="see: limitlab list experiments")
    run.add_argument("--size", default="course", help="smoke, course (default) or paper")
    run.add_argument("-o", dest="options", action="append", default=[], metavar="name=value", help="a setting")
    run.add_argument("--seed", type=int, help="seed of data, weights and batches")
    run.add_argument("--device", help="auto, cpu, cuda or mps")
    run.add_argument("--precision", help="no or bf16")
    run.add_argument("--folder", help="where the run is stored (default runs/EXPERIMENT-<hash of settings>)")
    run.add_argument("--track", metavar="NAME", help="a tracker that follows it: tensorboard, into the run's folder")
    run.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the folder")

    weights = commands.add_parser("weights", help="train the models that ship again")
    weights.add_argument("names", nargs="*", metavar="NAME", help="which; without: those that are missing or outdated")
    weights.add_argument("--folder", help="where they are written (default: where those that ship lie)")


def _add_lists(commands: Commands) -> None:
    """What is there."""
    lists = commands.add_parser("list", help="what there is")
    lists.add_argument("table", metavar="TABLE", help=", ".join(TABLES))
    form = lists.add_mutually_exclusive_group()
    form.add_argument("--wide", action="store_true", help="whole lines, however narrow the terminal is")
    form.add_argument("--markdown", action="store_true", help="as a Markdown table")
    form.add_argument("--json", action="store_true", help="for machines: a list of objects")
    lists.add_argument("--into", metavar="PATH", help="systems: into the README; lessons: links into their heads")


def _add_places(commands: Commands) -> None:
    """Where a person works: JupyterLab, a folder of one's own, a studio, copies of the course."""
    lab = commands.add_parser("lab", help="open JupyterLab")
    lab.add_argument("notebook", nargs="?", default="00-start-here", metavar="NOTEBOOK")
    lab.add_argument("--no-browser", action="store_true", help="print the address instead of opening it")
    lab.add_argument("--port", type=int, help="port of the server (default: the first free one from 8888)")

    begun = commands.add_parser("new", help="write a folder with a notebook to begin with")
    begun.add_argument("new_folder", metavar="FOLDER", help="a folder that is new or empty")
    begun.add_argument("--data", metavar="PATH", help="begin with this file of functions instead of an equation")
    begun.add_argument("-o", dest="options", action="append", default=[], metavar="name=value", help="inputs=a, ...")

    studio = commands.add_parser("studio", help="serve one studio as a page without code, on this machine alone")
    studio.add_argument("studio", metavar="NAME", help="solver, operator, neural_de, discovery or width")
    studio.add_argument("--no-browser", action="store_true", help="print the address instead of opening it")
    studio.add_argument("--port", type=int, help="port of the page (default: the first free one from 8866)")

    course = commands.add_parser("course", help="write the course for a class: copies for students and for teachers")
    course.add_argument("--out", required=True, metavar="FOLDER", help="a new or empty folder")


def _notebook_arguments(parser: argparse.ArgumentParser, value: str, meaning: str) -> None:
    parser.add_argument("notebook", metavar="NOTEBOOK", help="name or path; see: limitlab list notebooks")
    parser.add_argument("-p", dest="parameters", action="append", default=[], metavar=value, help=meaning)
    parser.add_argument("--folder", default="reports", help="where reports are written (default reports)")


def _cluster_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes on this machine (default 2)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="address of a running Dask scheduler, used instead")
    parser.add_argument("--resume", action="store_true", help="keep what is in the folder already, and run the rest")


COMMANDS = {
    "report": ("reporting", "report"),
    "sweep": ("reporting", "sweep"),
    "claims": ("reporting", "claims"),
    "open": ("opening", "open_page"),
    "run": ("running", "run"),
    "weights": ("weights", "ship"),
    "list": ("listing", "show"),
    "lab": ("lab", "open_lab"),
    "new": ("new", "new"),
    "studio": ("studio", "serve"),
    "course": ("reporting", "course"),
    "doctor": ("doctor", "examine"),
}
"""Module and function of each command."""


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    module, function = COMMANDS[name]
    return getattr(importlib.import_module(f"limitlab.cli.{module}"), function)


def _fail(error: object, code: int) -> int:
    line = " ".join(str(error).split())
    print(f"limitlab: {line[:LONGEST_MESSAGE]}", file=sys.stderr)
    return code
