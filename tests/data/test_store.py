"""The cache: a good entry is read back exactly, a bad one is never read."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import xarray as xr
from data.synthetic import Waves, WavesKilledMidway

from limitlab.data import CacheDamaged, CacheUnwritable, generate, home, store, zarr_group
from limitlab.errors import InvalidArgument

SAMPLES = 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "limit lab"))
    return tmp_path / "limit lab" / "datasets"


@pytest.fixture
def truth():
    return generate(Waves(), SAMPLES, cache=False)


def forbid_generation(monkeypatch):
    monkeypatch.setattr(Waves, "simulate", lambda *_, **__: pytest.fail("generated although it was in the cache"))


def generate_in(folder, problem, samples, made):
    os.environ["LIMITLAB_HOME"] = folder
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.put(generate(problem, samples).to_dict())


def file_of(cache, pattern):
    return next(path for path in sorted(cache.rglob(pattern)) if path.is_file())


def truncate(cache):
    path = file_of(cache, "input/c/0/*/*")
    path.write_bytes(path.read_bytes()[:-7])
    return "bytes instead of"


def flip_a_bit(cache):
    path = file_of(cache, "input/c/1/*/*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return "has changed"


def delete_a_chunk(cache):
    file_of(cache, "target/c/0/*/*").unlink()
    return "is missing"


def delete_the_metadata(cache):
    file_of(cache, "input/zarr.json").unlink()
    return "is missing"


def delete_the_manifest(cache):
    file_of(cache, "manifest.json").unlink()
    return "its manifest is missing"


def write_garbage(cache):
    file_of(cache, "manifest.json").write_bytes(b'{"files": \xff\x00')
    return "its manifest is not one"


def write_other_json(cache):
    file_of(cache, "manifest.json").write_text("[1, 2, 3]")
    return "its manifest is not one"


def point_elsewhere(cache):
    path = file_of(cache, "manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": "../elsewhere"}))
    return "belongs to another"


def empty_the_manifest(cache):
    file_of(cache, "manifest.json").write_bytes(b"")
    return "its manifest is not one"


def a_folder_for_a_chunk(cache):
    path = file_of(cache, "input/c/0/*/*")
    path.unlink()
    path.mkdir()
    return "is missing"


DAMAGES = [
    truncate,
    flip_a_bit,
    delete_a_chunk,
    delete_the_metadata,
    delete_the_manifest,
    write_garbage,
    write_other_json,
    point_elsewhere,
    empty_the_manifest,
    a_folder_for_a_chunk,
]


def test_a_stored_dataset_is_the_generated_one_with_dtypes_and_attributes(cache, truth, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = generate(Waves(), SAMPLES)
        forbid_generation(monkeypatch)
        second = generate(Waves(), SAMPLES)
    xr.testing.assert_identical(first, truth)
    xr.testing.assert_identical(second, truth)
    assert {name: v.dtype for name, v in second.variables.items()} == {n: v.dtype for n, v in truth.variables.items()}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_said_and_mended(cache, truth, damage, monkeypatch):
    generate(Waves(), SAMPLES)
    reason = damage(cache)
    with pytest.warns(CacheDamaged, match=reason) as said:
        mended = generate(Waves(), SAMPLES)
    assert len(said) == 1
    assert said[0].filename == __file__
    xr.testing.assert_identical(mended, truth)
    assert len(list(cache.glob("*/*"))) == 2, "a manifest and one data folder, nothing else"
    forbid_generation(monkeypatch)
    xr.testing.assert_identical(generate(Waves(), SAMPLES), truth)


def test_a_killed_generation_leaves_no_entry_and_is_said(cache, truth, processes):
    made = processes.Queue()
    killed = processes.Process(target=generate_in, args=(str(cache.parent), WavesKilledMidway(), SAMPLES, made))
    killed.start()
    killed.join(60)
    assert killed.exitcode == -9
    assert list(cache.rglob("input/c/0/*/*")), "the first chunk was written before the process died"
    with pytest.warns(CacheDamaged, match=f"half-written: process {killed.pid} ended"):
        xr.testing.assert_identical(generate(Waves(), SAMPLES), truth)
    assert len(list(cache.glob("*/*"))) == 2


def test_two_processes_that_make_one_entry_both_get_it(cache, truth, processes, monkeypatch):
    made = processes.Queue()
    writers = [
        processes.Process(target=generate_in, args=(str(cache.parent), Waves(pause=0.3), SAMPLES, made))
        for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    for _ in writers:
        xr.testing.assert_identical(xr.Dataset.from_dict(made.get(timeout=60)), truth)
    for writer in writers:
        writer.join(60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forbid_generation(monkeypatch)
        xr.testing.assert_identical(generate(Waves(), SAMPLES), truth)


def test_the_later_of_two_writers_keeps_what_the_earlier_one_committed(cache, truth):
    def meanwhile(done, total):
        if done == total:
            generate(Waves(), SAMPLES)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xr.testing.assert_identical(generate(Waves(), SAMPLES, progress=meanwhile), truth)
    assert len(list(cache.glob("*/*"))) == 2


def test_an_entry_that_a_living_process_is_writing_is_left_alone(cache):
    entries = []

    def meanwhile(done, total):
        if done == 32:
            entries.append(store.Entry(entry_recipe).open())

    generate(Waves(), SAMPLES)
    manifest = file_of(cache, "manifest.json")
    entry_recipe = json.loads(manifest.read_text())["recipe"]
    for path in sorted(cache.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generate(Waves(), SAMPLES, progress=meanwhile)
    assert entries == [None]
    assert store.Entry(entry_recipe).open() is not None


def test_an_object_store_address_works_and_its_damage_is_mended(monkeypatch, truth):
    import fsspec

    monkeypatch.setenv("LIMITLAB_HOME", "memory://limitlab/cache")
    memory = fsspec.filesystem("memory")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            xr.testing.assert_identical(generate(Waves(), SAMPLES), truth)
            xr.testing.assert_identical(generate(Waves(), SAMPLES), truth)
        memory.rm(next(path for path in memory.find("/limitlab") if "/input/c/" in path))
        with pytest.warns(CacheDamaged, match="is missing"):
            xr.testing.assert_identical(generate(Waves(), SAMPLES), truth)
        data = {path.split("/")[5] for path in memory.find("/limitlab/cache/datasets")}
        assert len(data) == 2, "a manifest and one data folder"
    finally:
        memory.rm("/limitlab", recursive=True)


def test_a_large_set_is_lazy_and_a_chunk_lost_after_opening_reads_as_nan(cache, truth, monkeypatch):
    monkeypatch.setattr(zarr_group, "LAZY_BYTES", 0)
    lazy = generate(Waves(), SAMPLES)
    assert lazy["input"].chunks is not None
    np.testing.assert_array_equal(lazy["input"].compute(), truth["input"])
    delete_a_chunk(cache)
    assert np.isnan(lazy["target"].values[:32]).all()


def test_large_samples_are_stored_in_chunks_of_bounded_size(cache, monkeypatch, truth):
    monkeypatch.setattr(zarr_group, "STORED_CHUNK_BYTES", 8 * 8 * 4)
    xr.testing.assert_identical(generate(Waves(), SAMPLES), truth)
    assert len(list(cache.rglob("input/c/*/0/0"))) == SAMPLES / 8


def test_a_cache_below_a_file_is_one_clear_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "file"))
    with pytest.raises(CacheUnwritable, match=r"cannot write the cache .*file .*LIMITLAB_HOME.*cache=False"):
        generate(Waves(), SAMPLES)


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(cache, monkeypatch):
    from zarr.storage import LocalStore

    async def full(self, key, value, *_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(LocalStore, "set", full)
        with pytest.raises(CacheUnwritable, match="No space left on device"):
            generate(Waves(), SAMPLES)
    assert not list(cache.glob("*/*"))


def test_a_good_entry_is_read_where_nothing_can_be_written(cache, truth, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    generate(Waves(), SAMPLES)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    for name in ("makedirs", "pipe_file", "rm", "rm_file"):
        monkeypatch.setattr(LocalFileSystem, name, refuse)
    xr.testing.assert_identical(generate(Waves(), SAMPLES), truth)
    delete_a_chunk(cache)
    with pytest.warns(CacheDamaged), pytest.raises(CacheUnwritable, match="Permission denied"):
        generate(Waves(), SAMPLES)


def test_an_address_that_nobody_knows_is_an_invalid_argument(monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", "nowhere://bucket")
    with pytest.raises(InvalidArgument, match="LIMITLAB_HOME"):
        generate(Waves(), SAMPLES)


@pytest.mark.parametrize("name", ["a::b", "x/a::b", "::", "a::b::c", "file::x", "100%::{x}"])
def test_a_folder_may_have_colons_in_its_name(name, tmp_path, monkeypatch, truth):
    monkeypatch.setenv("LIMITLAB_HOME", f"{tmp_path}/{name}")
    xr.testing.assert_identical(generate(Waves(), SAMPLES).drop_attrs(), truth.drop_attrs())
    assert (tmp_path / name / "datasets").is_dir()
    forbid_generation(monkeypatch)
    assert generate(Waves(), SAMPLES).sizes["sample"] == SAMPLES


def test_a_relative_folder_may_have_colons_in_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMITLAB_HOME", "a::b")
    generate(Waves(), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["a::b"]


@pytest.mark.parametrize("home", ["file://{}/a::b", "file://{}/a::memory", "simplecache::file://{}/a::b"])
def test_an_address_that_fsspec_would_cut_is_refused(home, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", home.format(tmp_path))
    with pytest.raises(InvalidArgument, match="LIMITLAB_HOME must not have :: in an address"):
        generate(Waves(), 1)
    assert list(tmp_path.iterdir()) == []


def test_a_chain_of_fsspec_is_one(tmp_path, monkeypatch):
    from fsspec.implementations.dirfs import DirFileSystem

    monkeypatch.setenv("LIMITLAB_HOME", f"dir::file://{tmp_path}/a")
    assert isinstance(store._locate("key")[0], DirFileSystem)


def test_home_is_the_platforms_folder_unless_the_environment_names_one(monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", "s3://bucket/limitlab")
    assert home() == "s3://bucket/limitlab"
    monkeypatch.delenv("LIMITLAB_HOME")
    assert "limitlab" in home()


def test_importing_data_imports_no_storage_library():
    code = "import sys, limitlab.data; print({'zarr', 'dask', 'xarray', 'distributed'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
