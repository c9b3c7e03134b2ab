import threading

import pytest
import torch

from limitlab import problems
from limitlab.interruption import ask_to_go_on, interruptible


class Enough(Exception):
    pass


def ends_after(calls):
    """A check that raises at this call."""
    counted = iter(range(calls - 1))

    def check():
        if next(counted, None) is None:
            raise Enough

    return check


def test_without_anybody_to_ask_the_work_goes_on():
    ask_to_go_on()


def test_the_check_ends_the_work_and_holds_inside_its_block_only():
    with interruptible(ends_after(3)):
        ask_to_go_on()
        ask_to_go_on()
        with pytest.raises(Enough):
            ask_to_go_on()
    ask_to_go_on()


def test_another_thread_is_not_asked():
    ended = []

    def work():
        ask_to_go_on()
        ended.append(True)

    with interruptible(ends_after(1)):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert ended == [True]


@pytest.mark.parametrize("name", ["burgers", "darcy", "korteweg_de_vries", "navier_stokes_forced"])
def test_data_that_a_loop_makes_can_be_interrupted_in_the_middle_of_a_chunk(name):
    """The second question of a chunk of 32 samples comes long before its end."""
    problem = problems.get(name)
    with interruptible(ends_after(2)), pytest.raises(Enough):
        problem.simulate(32, resolution=32)


def test_a_solve_of_many_steps_can_be_interrupted():
    stiff = problems.get("van_der_pol", mu=20.0)
    with interruptible(ends_after(100)), pytest.raises(Enough):
        stiff.solve(method="tsit5")


def test_an_interrupted_generation_leaves_nothing_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path))
    problem = problems.get("burgers")
    with interruptible(ends_after(2)), pytest.raises(Enough):
        problem.dataset(8, 0, 32)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "lock" not in path.name]
    whole = problem.dataset(8, 0, 32)
    assert torch.isfinite(torch.as_tensor(whole["u"].values)).all()
