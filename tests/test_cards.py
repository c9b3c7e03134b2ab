"""What values show of themselves: short text, and HTML in which nothing that a person wrote is markup."""

import dataclasses
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import torch

import limitlab as ll
from limitlab.cards import WIDEST, Card, Shown

HOSTILE = "<img src=x onerror=alert(1)>\"'&</table>"


class Reader(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("problem", ll.problems.catalogue(), ids=lambda problem: problem.name)
def test_every_problem_is_short_text_and_says_its_equation_and_every_parameter(problem):
    lines = repr(problem).splitlines()
    assert 3 <= len(lines) <= 6
    assert max(map(len, lines)) <= WIDEST
    assert lines[0] == f"{type(problem).__name__} {problem.name}: {problem.title}"
    assert problem.equation[:60] in lines[1]
    text = "".join(Reader(problem.card().html()).text)
    assert problem.equation in text
    assert all(f"{p.name}={p.default:g}" in text for p in problem.parameters)


@pytest.mark.parametrize("name", ["lorenz", "burgers", "darcy", "kubo", "fractional_relaxation"])
def test_html_of_a_problem_holds_its_formula_for_the_page_to_typeset(name):
    problem = ll.problems.get(name)
    assert f"$${problem.latex()}$$" in Reader(problem._repr_html_()).text


def test_lorenz_in_text():
    assert repr(ll.problems.get("lorenz", rho=20.0)).splitlines() == [
        "ODEProblem lorenz: Lorenz 63",
        "  equation    x' = sigma*(y - x); y' = x*(rho - z) - y; z' = x*y - beta*z",
        "  parameters  sigma=10 [1, 20], rho=20 [0.5, 50], beta=2.66667 [0.5, 5]",
        "  states      x, y, z",
        "  times       2501 on [0, 25]",
    ]


def test_units_stand_behind_numbers_and_states():
    text = repr(ll.problems.get("oral_dose"))
    assert "V=30 L [5, 100]" in text
    assert "A mg, C mg/L" in text
    assert "97 on [0, 24] h" in text


def test_latex_of_a_problem_is_its_equation_alone():
    problem = ll.problems.get("burgers")
    assert problem._repr_latex_() == f"$${problem.latex()}$$"


def test_a_persons_own_words_are_no_markup():
    growth = ll.problems.Parameter("r", 0.5, 0.1, 2.0, meaning=HOSTILE, unit=HOSTILE, latex=f"r_{{{HOSTILE}}}")
    problem = ll.problems.ODEProblem(
        name="growth",
        title=HOSTILE,
        equation="x' = r*x",
        states=(ll.problems.Field("x", HOSTILE, unit=HOSTILE, latex=HOSTILE),),
        initial=(1.0,),
        parameters=(growth,),
        time_unit=HOSTILE,
    )
    page = Reader(problem._repr_html_())
    assert set(page.tags) == {"div", "b", "table", "tr", "td"}
    assert "".join(page.text).count(HOSTILE) == 7  # title, unit, three in the formula, states, times


def test_an_equation_that_cannot_be_read_is_shown_as_text():
    problem = dataclasses.replace(ll.problems.get("lorenz"), equation="x' = ((")
    assert problem._repr_latex_() is None
    assert "x' = ((" in "".join(Reader(problem._repr_html_()).text)


def test_a_subclass_of_a_subclass_keeps_the_repr_that_is_nearest():
    @dataclasses.dataclass(frozen=True)
    class Base(Shown):
        number: int = 1

        def card(self):
            return Card("base", (("number", str(self.number)),))

    @dataclasses.dataclass(frozen=True)
    class Loud(Base):
        def __repr__(self):
            return "loud"

    @dataclasses.dataclass(frozen=True)
    class Louder(Loud):
        volume: int = 11

    assert [repr(Base()), repr(Loud()), repr(Louder())] == ["base\n  number  1", "loud", "loud"]


def test_settings_say_what_differs_and_can_be_typed_back():
    settings = ll.experiments.get("darcy_fno").configure("smoke", epochs=7)
    assert "epochs=7" in repr(settings)
    assert "weight_decay" not in repr(settings)
    assert eval(repr(settings), {type(settings).__name__: type(settings)}) == settings
    assert repr(ll.experiments.Trained(steps=100)) == "Trained(steps=100)"
    page = "".join(Reader(settings._repr_html_()).text)
    assert all(option.name in page and option.help in page for option in settings.options())


@pytest.mark.parametrize("count", [1, 1000])
def test_settings_are_at_most_six_lines(count):
    settings = ll.experiments.get("ntk_circle").configure(widths=tuple(range(8, 8 + count)))
    assert len(repr(settings).splitlines()) <= 6
    assert repr(settings).endswith(("…", ")"))


def test_solution_says_shapes_times_costs_and_what_failed():
    y0 = torch.tensor([[0.1], [1.0]])
    times = [0.0, 0.25, 9.0]
    masked = ll.solvers.solve_ode(lambda t, y: y**3, y0, times, method="rk4", step_size=0.1, on_failure="mask")
    text = "".join(Reader(masked._repr_html_()).text)
    assert "Solution by rk4" in text
    assert "(2, 3, 1): sample, time, state; t from 0 to 9" in text
    assert re.search(r"1 of 2 samples failed: sample 1: blow-up at t = ", text)
    assert repr(masked).endswith("1 failed)")
    fine = ll.solvers.solve_ode(lambda t, y: -y, y0, times, rtol=1e-4)
    assert "every sample reached its end" in fine._repr_html_()
    assert "rtol=0.0001" in fine._repr_html_()


def test_result_names_its_experiment_its_size_its_models_and_metrics():
    def squared(model, batch):
        return {"squared": (model(batch["x"]) - 2 * batch["x"]).square().mean()}

    def prepare(settings, progress=False):
        recipe = ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), settings.steps, 0.1)
        trials = [ll.experiments.Trial({"width": w}, lambda seed: torch.nn.Linear(1, 1), recipe) for w in (1, 2)]
        return ll.experiments.Prepared(
            tuple(trials), lambda trained, fresh: ll.labels.labelled(slope=("", 2.0, "slope", "m")), None
        )

    sizes = ll.experiments.sizes(ll.experiments.Trained(), smoke={"steps": 3}, paper={"steps": 100_000})
    line = ll.experiments.Experiment("ntk", HOSTILE, sizes, prepare, lambda result: {}, name="line")
    result = line.train(line.configure("smoke", device="cpu")).finish()
    assert repr(result).splitlines() == [
        f"Result of line: {HOSTILE}",
        "  settings  smoke, device='cpu'",
        "  models    width-1, width-2; seeds 0",
        "  metrics   slope (model 2, seed 1) in m",
        "  run       not stored",
    ]
    assert "img" not in Reader(result._repr_html_()).tags


def test_showing_needs_neither_ipython_nor_plotly():
    script = """
import sys
import torch
import limitlab as ll
problem = ll.problems.get("lorenz")
solution = problem.solve(times=[0.0, 0.1])
settings = ll.experiments.Trained()
for thing in (problem, solution, settings):
    repr(thing), thing._repr_html_(), thing._repr_latex_()
print(sorted({"IPython", "plotly", "ipywidgets", "bs4"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
