"""Workers for independent pieces of work: processes of this machine that end with the block, or a scheduler."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from limitlab.errors import InvalidArgument

if TYPE_CHECKING:
    from distributed import Client


@contextmanager
def dask_client(workers: int, scheduler: str | None = None) -> Iterator[Client]:
    """A client of the scheduler at an address such as "tcp://host:8786", or of `workers` local processes.

    The local ones share the machine's cores evenly. Raises InvalidArgument for a scheduler that does not answer.

    >>> def squares(numbers, workers):
    ...     with ll.data.dask_client(workers) as client:
    ...         return client.gather(client.map(pow, numbers, [2] * len(numbers)))
    """
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            # as the default it would take over every later dask computation of the caller
            client = Client(scheduler, timeout="10s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise InvalidArgument(f"scheduler {scheduler[:80]!r} does not answer: {error}") from error
        with client:
            yield client
        return
    # else every worker starts a thread for each core
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any free port: clusters of two calls may stand side by side
            silence_logs=logging.ERROR,  # idle workers are killed at the end: no news
            env={"OMP_NUM_THREADS": threads},
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
