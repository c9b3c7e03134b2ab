from traitlets import HasTraits, Int

from limitlab.errors import InvalidArgument
from limitlab_widgets import DiscoveryStudio, NeuralDEStudio, OperatorStudio, SolverStudio, WidthStudio
from limitlab_widgets.shared.code.panel import CodePanel


class Counter(HasTraits):
    count = Int(0)


def shown(part):
    return part.layout.display != "none"


def test_an_open_panel_follows_the_state_and_a_closed_one_is_not_written():
    counter, written = Counter(), []

    def write():
        written.append(counter.count)
        if counter.count == 2:
            raise InvalidArgument("two is <refused>")
        return f"count = {counter.count}"

    panel = CodePanel(write, counter)
    counter.count = 1
    assert written == []
    assert not shown(panel.snippet)
    panel.button.click()
    assert (panel.snippet.text, shown(panel.snippet)) == ("count = 1", True)
    counter.count = 2
    assert (panel.snippet.text, shown(panel.snippet)) == ("", False)
    assert "two is &lt;refused&gt;" in panel.error.value
    counter.count = 3
    assert (panel.snippet.text, panel.error.value, shown(panel.error)) == ("count = 3", "", False)
    panel.button.click()
    counter.count = 4
    assert not shown(panel.snippet)
    assert written == [1, 2, 3]


def test_every_studio_shows_its_code_or_says_why_there_is_none():
    studios = {
        SolverStudio("linear_decay"): "ll.problems.get('linear_decay')",
        OperatorStudio("burgers", size="smoke"): "make data, or train",
        NeuralDEStudio("annuli", size="smoke"): "flow_classes",
        DiscoveryStudio("logistic", points=12): "points=12",
        WidthStudio(depth=1, activation="erf", points=4, steps=10, width=16, seeds=1): "ntk_circle",
    }
    for studio, words in studios.items():
        assert studio.children[-1] is studio.code
        studio.code.button.click()
        assert words in studio.code.snippet.text + studio.code.error.value, type(studio).__name__
        studio.close()


def test_the_code_of_a_studio_follows_its_controls():
    studio = SolverStudio("linear_decay")
    studio.code.button.click()
    before = studio.code.snippet.text
    studio.start.initial[0].value = 1.75
    assert "1.75" in studio.code.snippet.text
    assert studio.code.snippet.text != before
    studio.close()
