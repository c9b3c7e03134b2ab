"""Samples of a problem: generated in chunks of fixed size, here or on Dask workers, into the cache.

Sample i of a split depends only on (problem, seed, resolution, offset + i). The chunk size is fixed and every chunk
runs on one thread, so the numbers are the same bits whatever the number of samples in flight, workers or cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from limitlab.data.store import Entry
from limitlab.data.workers import dask_client
from limitlab.errors import InvalidArgument, LimitlabError, check_number, unknown_name
from limitlab.interruption import ask_to_go_on

if TYPE_CHECKING:
    import distributed
    import xarray

CHUNK = 32
"""Samples that are generated together; part of the definition of the numbers, so part of every key."""

POLL = 0.02
"""Seconds between two looks at workers."""

OFFSETS = {"train": 0, "validation": 10**6, "test": 2 * 10**6}
"""First sample of each split: splits are disjoint in samples, never windows of one trajectory."""

Split = Literal["train", "validation", "test"]
ProgressReport = Callable[[int, int], object]
Chunks = Generator[tuple[int, "xarray.Dataset"], None, None]


class NonFiniteSample(LimitlabError):
    """The generator made NaN or infinity; the message names problem, sample, variable and parameters."""


@runtime_checkable
class Simulator(Protocol):
    """What `generate` needs of a problem."""

    @property
    def name(self) -> str: ...

    def spec(self) -> dict[str, Any]:
        """Everything that decides the numbers, as JSON values."""

    def simulate(self, samples: int, seed: int = 0, resolution: int | None = None, *, first: int = 0) -> xarray.Dataset:
        """Samples first ... first+samples-1, along the dimension `sample`."""


def generate(
    problem: Simulator,
    samples: int,
    seed: int = 0,
    resolution: int | None = None,
    *,
    split: Split = "train",
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool | ProgressReport = False,
    cache: bool = True,
) -> xarray.Dataset:
    """`samples` samples of a problem as a dataset with the dimension `sample`, from the cache if they are there.

    resolution: points an axis (the problem's own when left out). workers: processes of a local Dask cluster that lives
    as long as the call and takes seconds to start; scheduler: address of a running one ("tcp://host:8786"), which then
    decides about the workers.
    progress: True for a bar, or a function of (done, total) samples; an exception from it stops the generation.
    cache=False keeps everything in memory. In a script, workers > 1 needs the `if __name__ == "__main__":` guard.
    Sets above 1 GiB come back as dask arrays on the cache's chunks.
    Raises InvalidArgument, UnknownName (split), NonFiniteSample, CacheUnwritable; warns CacheDamaged.

    >>> walk = ll.problems.get("ornstein_uhlenbeck")
    >>> ll.data.generate(walk, 4, seed=1, split="test", cache=False).sizes["sample"]
    4
    """
    if not isinstance(problem, Simulator):
        raise InvalidArgument(
            f"problem must have name, spec and simulate, as limitlab.problems.get gives; got {problem!r:.80}"
        )
    samples = int(check_number("samples", samples, low=1, high=10**6, integer=True))
    seed = int(check_number("seed", seed, low=0, high=2**63 - 1, integer=True))
    workers = int(check_number("workers", workers, low=1, high=1024, integer=True))
    if resolution is None:
        resolution = getattr(problem, "default_resolution", None)
    if resolution is not None:
        resolution = int(check_number("resolution", resolution, low=2, integer=True))
    if split not in OFFSETS:
        raise unknown_name("split", split, OFFSETS)
    if not (isinstance(progress, bool) or callable(progress)):
        raise InvalidArgument(f"progress must be True, False or a function of (done, total); got {progress!r:.80}")

    first = OFFSETS[split]
    entry = Entry(
        {
            "problem": problem.name,
            "samples": samples,
            "seed": seed,
            "resolution": resolution,
            "split": split,
            "first": first,
            "chunk": CHUNK,
            "spec": problem.spec(),
        }
    )
    provenance = {"problem": problem.name, "seed": seed, "first": first, "split": split, "cache_key": entry.key}
    with _reporting(progress, f"{problem.name} ({split})", samples) as report:
        stored = entry.open() if cache else None
        if stored is not None:
            report(samples)
            return stored
        work = [
            (start, (problem, min(CHUNK, samples - start), seed, resolution, first + start))
            for start in range(0, samples, CHUNK)
        ]
        with (
            closing(_generated_chunks(work, workers, scheduler)) as raw,
            closing(_labelled(raw, provenance, report)) as chunks,
        ):
            return entry.write(samples, chunks, CHUNK) if cache else _together(chunks)


def _chunk(problem: Simulator, samples: int, seed: int, resolution: int | None, first: int) -> xarray.Dataset:
    """One call of the generator, on one thread: vectorised kernels round differently where threads split an array."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        dataset = problem.simulate(samples, seed, resolution, first=first).load()
    finally:
        # a setting of the whole process
        torch.set_num_threads(threads)
    if dataset.sizes.get("sample") != samples:
        raise InvalidArgument(f"{problem.name}.simulate({samples}, ...) returned dimensions {dict(dataset.sizes)}")
    _require_finite(problem, dataset, seed, first)
    return dataset


def _require_finite(problem: Simulator, dataset: xarray.Dataset, seed: int, first: int) -> None:
    import numpy as np

    for name, array in dataset.data_vars.items():
        if "sample" not in array.dims or array.dtype.kind not in "fc":
            continue
        values = array.transpose("sample", ...).values
        good = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if not good.all():
            parameters = dataset.attrs.get("parameters", problem.spec().get("values", {}))
            raise NonFiniteSample(
                f"{problem.name}: variable {name!r} of sample {first + int(good.argmin())} (seed {seed}) is not finite"
                f" at parameters {parameters}; the solver blew up, or float32 overflowed"
            )


def _generated_chunks(work: list[tuple[int, tuple[Any, ...]]], workers: int, scheduler: str | None) -> Chunks:
    """(start, chunk) as chunks get done; on Dask, at most two a thread are under way, which bounds memory."""
    if scheduler is None and min(workers, len(work)) == 1:
        yield from ((start, _chunk(*arguments)) for start, arguments in work)
        return

    from distributed import as_completed

    with dask_client(min(workers, len(work)), scheduler) as client:
        waiting = iter(work)
        starts: dict[distributed.Future, int] = {}

        def submit(count: int) -> list[distributed.Future]:
            # not pure: Dask would hash every argument, and hand out an earlier chunk instead of making it
            submitted = {
                client.submit(_chunk, *arguments, pure=False): start for start, arguments in islice(waiting, count)
            }
            starts.update(submitted)
            return list(submitted)

        threads = max(1, sum(client.nthreads().values()))
        # one running and one waiting for each thread, so that none idles while a chunk is written
        under_way = as_completed(submit(2 * threads), loop=client.loop)
        while not under_way.is_empty():
            # the workers are other processes, which nobody can ask: stop waiting for them
            while not under_way.has_ready():
                ask_to_go_on()
                time.sleep(POLL)
            future = next(under_way)
            yield starts.pop(future), future.result()
            under_way.update(submit(1))


def _labelled(chunks: Chunks, provenance: dict[str, Any], report: Callable[[int], object]) -> Chunks:
    """Chunks with the sample numbers and attributes of the whole set; reports each after it was taken."""
    import numpy as np

    done = 0
    for start, chunk in chunks:
        count = chunk.sizes["sample"]
        attrs = chunk["sample"].attrs or {"long_name": "sample", "units": "1"}
        number = provenance["first"] + start + np.arange(count)
        # The layout of the store is made from whichever chunk comes first, so its attributes hold for all.
        yield start, chunk.assign_coords(sample=("sample", number, attrs)).assign_attrs(provenance)
        done += count
        report(done)


def _together(chunks: Chunks) -> xarray.Dataset:
    import xarray

    # workers finish in any order
    parts = [chunk for _, chunk in sorted(chunks, key=lambda pair: pair[0])]
    return xarray.concat(parts, dim="sample", data_vars="minimal", coords="minimal", compat="override", join="override")


@contextmanager
def _reporting(progress: bool | ProgressReport, title: str, samples: int) -> Iterator[Callable[[int], object]]:
    """A function of the samples done, that moves a bar, calls the given function, or does nothing."""
    if progress is False:
        yield lambda done: None
    elif progress is True:
        from tqdm.auto import tqdm

        with tqdm(total=samples, desc=title, unit="sample") as bar:
            yield lambda done: bar.update(done - bar.n)
    else:
        progress(0, samples)
        yield lambda done: progress(done, samples)
