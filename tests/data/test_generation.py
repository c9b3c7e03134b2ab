"""Generation: the same numbers whatever the chunks, the workers and the order in which they finish."""

import numpy as np
import pytest
import torch
import xarray as xr
from data.synthetic import Waves

from limitlab.data import NonFiniteSample, generate
from limitlab.data.generation import CHUNK, OFFSETS
from limitlab.errors import InvalidArgument, UnknownName


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.filterwarnings("error::UserWarning")
def test_two_workers_give_the_bits_of_one(processes):
    import dask
    import distributed  # noqa: F401  (its defaults must be in the configuration before one is overridden)

    one = generate(Waves(), 100, seed=3, cache=False)
    with dask.config.set({"distributed.worker.multiprocessing-method": processes.get_start_method()}):
        two = generate(Waves(), 100, seed=3, workers=2)
    xr.testing.assert_identical(one, two)


def test_a_given_scheduler_is_used_and_left_running():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        dataset = generate(Waves(), 100, scheduler=cluster.scheduler_address)
        assert client.submit(lambda: 1).result() == 1
    xr.testing.assert_identical(dataset, generate(Waves(), 100, cache=False))


def test_chunks_that_finish_in_any_order_land_in_their_place(monkeypatch):
    from limitlab.data import generation

    made = generation._generated_chunks

    def backwards(*arguments):
        yield from reversed(list(made(*arguments)))

    expected = generate(Waves(), 100, cache=False)
    monkeypatch.setattr(generation, "_generated_chunks", backwards)
    xr.testing.assert_identical(generate(Waves(), 100), expected)


def test_a_sample_does_not_depend_on_how_many_are_asked_for():
    few, many = generate(Waves(), 2 * CHUNK), generate(Waves(), 3 * CHUNK)
    np.testing.assert_array_equal(few["input"], many["input"][: 2 * CHUNK])


def test_numbers_do_not_depend_on_the_thread_count():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = generate(Waves(), 33, resolution=1001, cache=False)
        torch.set_num_threads(3)
        three = generate(Waves(), 33, resolution=1001, cache=False)
        assert torch.get_num_threads() == 3, "the caller's setting is put back"
    finally:
        torch.set_num_threads(threads)
    xr.testing.assert_identical(one, three)


def test_splits_share_no_sample():
    sets = {split: generate(Waves(), 5, split=split) for split in OFFSETS}
    numbers = np.concatenate([dataset["sample"] for dataset in sets.values()])
    phases = np.concatenate([dataset["phase"] for dataset in sets.values()])
    assert len(set(numbers)) == len(set(phases)) == 15
    assert sets["validation"].attrs["first"] == 10**6
    assert sets["test"]["sample"].values.tolist() == list(range(2 * 10**6, 2 * 10**6 + 5))


def test_the_attributes_say_where_the_numbers_come_from():
    attrs = generate(Waves(2.0), 5, seed=7, split="test").attrs
    expected = {"problem": "waves", "seed": 7, "split": "test", "parameters": '{"amplitude": 2.0}', "dt": 0.1}
    assert expected.items() <= attrs.items()
    assert {"grid", "limitlab_version", "cache_key"} <= attrs.keys()


@pytest.mark.parametrize(
    "other",
    [
        {"problem": Waves(2.0)},
        {"samples": 6},
        {"seed": 1},
        {"resolution": 16},
        {"split": "test"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_everything_that_decides_the_numbers_is_in_the_key(other):
    base = {"problem": Waves(), "samples": 5, "seed": 0, "resolution": 8, "split": "train"}
    keys = {generate(**base).attrs["cache_key"], generate(**{**base, **other}).attrs["cache_key"]}
    assert len(keys) == 2


def test_what_does_not_decide_the_numbers_is_not_in_the_key():
    assert generate(Waves(pause=0.01), 5).attrs["cache_key"] == generate(Waves(), 5).attrs["cache_key"]


def test_progress_counts_samples_up_to_the_total():
    seen = []
    generate(Waves(), 70, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 70), (32, 70), (64, 70), (70, 70)]
    generate(Waves(), 70, progress=lambda done, total: seen.append((done, total)))
    assert seen[4:] == [(0, 70), (70, 70)], "a set from the cache is complete at once"


def test_progress_bar_says_problem_and_split(capsys):
    generate(Waves(), 70, split="test", progress=True)
    assert "waves (test): 100%" in capsys.readouterr().err


def test_a_generation_that_is_stopped_leaves_nothing(cache):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(Waves(), 70, progress=stop)
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("cached", [True, False])
def test_a_sample_that_is_not_finite_is_named(cache, cached):
    with pytest.raises(NonFiniteSample, match=r"waves: variable 'input' of sample 41 \(seed 2\).*amplitude.*1\.5"):
        generate(Waves(1.5, blow_up=41), 50, seed=2, cache=cached)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_simulator_that_returns_another_count_is_refused(monkeypatch):
    simulate = Waves.simulate
    monkeypatch.setattr(Waves, "simulate", lambda self, n, *a, **k: simulate(self, n + 1, *a, **k))
    with pytest.raises(InvalidArgument, match=r"waves\.simulate\(5, \.\.\.\)"):
        generate(Waves(), 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "samples must be a whole number >= 1"),
        ({"samples": 10**6 + 1}, "samples"),
        ({"samples": 2.5}, "samples"),
        ({"samples": "many"}, "samples"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"resolution": 1}, "resolution"),
        ({"workers": 0}, "workers"),
        ({"progress": "yes"}, "progress"),
        ({"problem": "heat"}, "problem"),
        ({"scheduler": "nowhere"}, "scheduler 'nowhere' does not answer"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        generate(**{"problem": Waves(), "samples": 5, **arguments})


def test_unknown_split_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'validation'"):
        generate(Waves(), 5, split="valid")


def test_a_spec_that_is_not_json_is_refused(monkeypatch):
    monkeypatch.setattr(Waves, "spec", lambda self: {"amplitude": float("nan")})
    with pytest.raises(InvalidArgument, match="JSON"):
        generate(Waves(), 5)


def test_a_problem_of_the_catalogue_is_cached_as_it_is_made():
    problems = pytest.importorskip("limitlab.problems")
    heat = problems.get("heat")
    stored = heat.dataset(40, seed=1, resolution=32)
    xr.testing.assert_identical(stored, heat.dataset(40, seed=1, resolution=32))
    xr.testing.assert_identical(stored, generate(heat, 40, seed=1, resolution=32, cache=False))
    assert stored.sizes["sample"] == 40
    assert stored["u"].dtype == np.float32
