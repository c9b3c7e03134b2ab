import threading

from limitlab_widgets.shared.worker import Worker


def test_only_the_newest_of_quick_jobs_runs():
    done, worker = [], Worker(0.05)
    for number in range(5):
        worker.ask(lambda check, number=number: done.append(number))
    assert worker.wait(10)
    assert done == [4]


def test_a_running_job_stops_where_it_checks_and_the_next_runs_in_the_same_thread():
    threads, worker, begun, go = [], Worker(), threading.Event(), threading.Event()

    def slow(check):
        threads.append(threading.current_thread())
        begun.set()
        go.wait(10)
        check()
        threads.append("slow")

    worker.ask(slow)
    assert begun.wait(10)
    worker.ask(lambda check: threads.append(threading.current_thread()))
    go.set()
    assert worker.wait(10)
    assert len(threads) == 2
    assert threads[0] is threads[1]
    assert not threads[0].is_alive()


def test_nothing_runs_after_a_drop():
    done, worker = [], Worker(0.05)
    worker.ask(lambda check: done.append(1))
    worker.drop()
    assert worker.wait(10)
    assert done == []


def test_a_job_that_fails_leaves_the_worker_usable(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    done, worker = [], Worker()
    worker.ask(lambda check: 1 / 0)
    assert worker.wait(10)
    worker.ask(lambda check: done.append(1))
    assert worker.wait(10)
    assert done == [1]
