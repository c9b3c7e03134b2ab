import threading

import pytest
import torch

from limitlab import problems
from limitlab.interruption import TimeIsUp, ask_to_go_on, interruptible
from limitlab.solvers import SolveFailed, solve_ode, solve_sde


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
        stiff.solve(method="tsit5", backend="torch")


def test_an_interrupted_generation_leaves_nothing_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path))
    problem = problems.get("burgers")
    with interruptible(ends_after(2)), pytest.raises(Enough):
        problem.dataset(8, 0, 32)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "lock" not in path.name]
    whole = problem.dataset(8, 0, 32)
    assert torch.isfinite(torch.as_tensor(whole["u"].values)).all()


def out_after(looks):
    """A check that lets a loop go on so many times."""
    left = iter(range(looks))

    def check():
        if next(left, None) is None:
            raise TimeIsUp

    return check


@pytest.mark.parametrize(
    "options", [{"rtol": 1e-8}, {"method": "rk4", "step_size": 0.02}, {"method": "rodas5", "rtol": 1e-8}]
)
def test_a_solve_that_is_out_of_time_keeps_what_it_solved(options):
    times, y0 = torch.linspace(0.0, 5.0, 201, dtype=torch.float64), torch.ones(2, 1, dtype=torch.float64)

    def solved():
        return solve_ode(lambda t, y: -t * y, y0, times, on_failure="mask", **options)

    whole = solved()
    with interruptible(out_after(10)):
        part = solved()
    assert {failure.kind for failure in part.failures} == {"out of time"}
    reached = torch.isfinite(part.y[0, :, 0])
    assert 1 < int(reached.sum()) < len(times)
    # everything up to there, nothing after it, and the same numbers as in the whole
    assert bool(reached[: int(reached.sum())].all())
    assert torch.equal(part.y[:, reached], whole.y[:, reached])
    until = part.failures[0].time
    assert float(times[reached][-1]) <= until <= float(times[reached][-1]) + 5.0 / 200 + 1e-9
    with interruptible(out_after(10)), pytest.raises(SolveFailed, match="out of time"):
        solve_ode(lambda t, y: -t * y, y0, times, **options)


def test_paths_that_are_out_of_time_keep_what_was_stepped():
    times, y0 = torch.linspace(0.0, 1.0, 65).tolist(), torch.ones(3, 1, dtype=torch.float64)

    def solved(on_failure="mask"):
        fields = lambda t, y: -y, lambda t, y: 0.1 * y
        return solve_sde(*fields, y0, times, seed=0, step_size=1 / 256, on_failure=on_failure)

    whole = solved()
    with interruptible(out_after(2)):
        part = solved()
    assert [(failure.kind, failure.sample, failure.time) for failure in part.failures] == [
        ("out of time", sample, 0.5) for sample in range(3)
    ]
    assert torch.equal(part.y[:, :33], whole.y[:, :33])
    assert bool(part.y[:, 33:].isnan().all())
    assert part.log.accepted.sum(1).tolist() == [128] * 3
    with interruptible(out_after(2)), pytest.raises(SolveFailed, match="out of time"):
        solved("raise")
