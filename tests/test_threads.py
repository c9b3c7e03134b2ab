import threading
import time

import pytest
import torch

from limitlab.threads import mapping, threads_for


@pytest.mark.parametrize("threads", [0, 1, 2, 3])
@pytest.mark.parametrize("calls", [1, 2, 17])
def test_results_are_in_the_order_of_the_calls(threads, calls):
    with mapping(threads) as on_all:
        assert on_all(lambda a, b: (a, b), range(calls), range(calls, 2 * calls)) == [
            (k, calls + k) for k in range(calls)
        ]


def test_calls_run_at_once_and_one_of_them_on_the_thread_of_the_caller():
    meeting = threading.Barrier(3, timeout=60)

    def meet(_):
        meeting.wait()
        return threading.get_ident()

    with mapping(3) as on_all:
        seen = on_all(meet, range(3))
    assert len(set(seen)) == 3
    assert seen[0] == threading.get_ident()


def test_the_caller_takes_what_no_thread_has_begun():
    held = threading.Event()

    def run(call):
        # the only other thread is busy until the caller comes to the second call, its last
        if call == 1:
            assert held.wait(60)
        if call == 2:
            held.set()
        return threading.get_ident()

    with mapping(2) as on_all:
        seen = on_all(run, range(8))
    assert {seen[k] for k in (0, *range(2, 8))} == {threading.get_ident()}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", [1, 3])
def test_what_a_call_raises_is_raised(threads, wrong):
    def run(call):
        if call == wrong:
            raise ValueError(call)

    with pytest.raises(ValueError, match=str(wrong)), mapping(threads) as on_all:
        on_all(run, range(9))


def test_when_the_caller_fails_calls_that_have_not_begun_never_do():
    begun = []

    def run(call):
        begun.append(call)
        if call == 0:
            raise ValueError("the first")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="the first"), mapping(2) as on_all:
        on_all(run, range(200))
    count = len(begun)
    time.sleep(0.05)
    assert count == len(begun) < 200


def test_columns_have_one_length():
    with mapping(2) as on_all, pytest.raises(ValueError, match="zip"):
        on_all(lambda a, b: None, [1, 2], [3])


@pytest.mark.parametrize(("torchs", "pieces", "expected"), [(1, 5, 1), (2, 5, 2), (2, 1, 1), (2, 0, 1)])
def test_no_more_threads_than_torch_may_use_or_pieces_are_there(torchs, pieces, expected):
    before = torch.get_num_threads()
    torch.set_num_threads(torchs)
    try:
        assert threads_for(pieces) == expected
    finally:
        torch.set_num_threads(before)
