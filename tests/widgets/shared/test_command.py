from limitlab_widgets.shared.command import Command


def told(command):
    """What the command asks its pages, and what happens, in order."""
    events = []
    command.send = lambda content, buffers=None: events.append(content)
    command.on_click(lambda pressed: events.append("ran"))
    return events


def test_a_press_is_asked_back_before_anything_runs():
    command = Command(description="Train")
    events = told(command)
    command._hear(command, {"press": True}, [])
    assert events == [{"press": 1}]
    command._hear(command, {"go": 1}, [])
    assert events == [{"press": 1}, "ran"]


def test_two_pages_that_answer_the_same_press_run_it_once():
    command = Command()
    events = told(command)
    command._hear(command, {"press": True}, [])
    command._hear(command, {"press": True}, [])
    for answer in (1, 1, 2, 2, 3):
        command._hear(command, {"go": answer}, [])
    assert events.count("ran") == 2


def test_a_click_from_python_runs_at_once():
    command = Command()
    events = told(command)
    command.click()
    assert events == ["ran"]
