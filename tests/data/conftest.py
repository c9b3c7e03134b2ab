"""Processes for the tests: forked from a server that has imported torch, zarr and distributed once for all of them."""

import multiprocessing
from multiprocessing import forkserver

import pytest


@pytest.fixture(scope="session")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["limitlab.data", "xarray", "zarr", "dask.array", "distributed"])
    forkserver.ensure_running()  # before Dask, which asks for a preload of its own
    return context
