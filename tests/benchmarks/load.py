"""How many cores other processes kept busy while a row was measured: what the times in it are worth.

Rows of milliseconds are judged together with what was measured before them.
"""

import os
import time

import psutil

MOST = 1.0
"""Cores that others may keep busy while a row is measured that is to be stored."""
SHORTEST = 2.0  # seconds; the counters move by hundredths
NOT_BUSY = ("idle", "iowait", "steal", "guest", "guest_nice")  # guest is counted in user already


class Watch:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._before = _counters()

    @property
    def seconds(self) -> float:
        """By the clock."""
        return time.perf_counter() - self._before[0]

    def others(self) -> float:
        """Cores in the mean that were busy with neither this process nor its children."""
        wall, busy, own = (after - before for after, before in zip(_counters(), self._before, strict=True))
        return max(0.0, busy - own) / max(wall, 1e-9)


def warning_before() -> str | None:
    """What the load average, in which nothing of ours is yet, says about the rows to come."""
    load = os.getloadavg()[0]
    return f"load average {load:.1f}: others are at work, and rows may not be stored" if load > MOST else None


def refusal(name: str, others: float) -> str | None:
    """Why a row is not stored, if it is not."""
    if others <= MOST:
        return None
    return f"{name} is not stored: others kept {others:.1f} cores busy meanwhile, and {MOST:g} is the most"


def _counters() -> tuple[float, float, float]:
    """Seconds by the clock, those of all cores at work, and those of this process and its children."""
    times = psutil.cpu_times()
    busy = sum(getattr(times, name) for name in times._fields if name not in NOT_BUSY)
    me = psutil.Process()
    own = sum(me.cpu_times()[:4])  # user and system, its own and of children that ended
    for child in me.children(recursive=True):
        try:
            own += sum(child.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return time.perf_counter(), busy, own
