import threading

from limitlab_widgets.shared.latest import Latest


def test_only_the_newest_of_quick_jobs_runs():
    done, latest = [], Latest(0.05)
    for number in range(5):
        latest.submit(lambda check, number=number: done.append(number))
    assert latest.wait(10)
    assert done == [4]


def test_a_running_job_stops_where_it_checks():
    done, latest, begun, go = [], Latest(0.0), threading.Event(), threading.Event()

    def slow(check):
        begun.set()
        go.wait(10)
        check()
        done.append("slow")

    latest.submit(slow)
    assert begun.wait(10)
    old = latest._thread
    latest.submit(lambda check: done.append("quick"))
    go.set()
    old.join(10)
    assert latest.wait(10)
    assert done == ["quick"]


def test_nothing_runs_after_a_drop():
    done, latest = [], Latest(0.05)
    latest.submit(lambda check: done.append(1))
    latest.drop()
    assert latest.wait(10)
    assert done == []
