"""Files of every format give the same dataset; what is no such file ends in one sentence that names it."""

import json
import os
import pickle
import zipfile

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from limitlab import data, problems
from limitlab.data.files.formats import hdf5, netcdf, zarr_store
from limitlab.errors import InvalidArgument, UnknownName

X = np.linspace(0, 1, 12)
FIELDS = {
    "a": np.random.default_rng(0).random((6, 12)).astype(np.float32),
    "u": np.random.default_rng(1).random((6, 12)).astype(np.float32),
}


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        for name, array in {"x": X, **FIELDS}.items():
            file[name] = array


def write_matlab_73(path):
    """As MATLAB does it: a header of 512 bytes before an HDF5 file, with every array transposed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in {"x": X, **FIELDS}.items():
            file[name] = np.atleast_2d(array).T if array.ndim == 2 else array
    with open(path, "rb+") as file:
        file.write(b"MATLAB 7.3 MAT-file")


def labelled():
    dataset = data.from_arrays(*FIELDS.values(), {"x": X}, kind="nodes").rename(input="a", target="u")
    return dataset.drop_attrs(deep=False).drop_vars("sample")


WRITERS = {
    "own.npz": lambda path: np.savez(path, x=X, **FIELDS),
    "own.pt": lambda path: torch.save({k: torch.from_numpy(v) for k, v in {"x": X, **FIELDS}.items()}, path),
    "own.mat": lambda path: savemat(path, {"x": X, **FIELDS}),
    "own73.mat": write_matlab_73,
    "own.h5": write_hdf5,
    "own.nc": lambda path: labelled().to_netcdf(path, engine="h5netcdf"),
    "classic.nc": lambda path: labelled().to_netcdf(path, engine="scipy"),
    "own.zarr": lambda path: labelled().to_zarr(path),
    "own2.zarr": lambda path: labelled().to_zarr(path, zarr_format=2),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_batches(name, tmp_path):
    WRITERS[name](tmp_path / name)
    own = data.open(tmp_path / name)
    view = data.pairs(own, "a", "u")
    drawn = data.batches(view, size=4, seed=1)
    known = data.batches(data.from_arrays(*FIELDS.values(), {"x": X}), size=4, seed=1)
    assert drawn.grid == known.grid
    assert all(torch.equal(drawn.batch(2)[role], known.batch(2)[role]) for role in ("input", "target"))


@pytest.mark.parametrize(("name", "module"), [("own.h5", hdf5), ("own.nc", netcdf), ("own.zarr", zarr_store)])
def test_large_files_are_read_when_they_are_used(name, module, tmp_path, monkeypatch):
    WRITERS[name](tmp_path / name)
    whole = data.open(tmp_path / name)
    monkeypatch.setattr(module, "LAZY_BYTES", 0)
    lazy = data.open(tmp_path / name)
    assert lazy["u"].chunks is not None
    assert whole["u"].chunks is None
    assert data.pairs(lazy, "a", "u")["input"].chunks is not None
    drawn = [data.batches(data.pairs(own, "a", "u"), size=4, seed=1).batch(0) for own in (lazy, whole)]
    assert all(torch.equal(drawn[0][role], drawn[1][role]) for role in ("input", "target"))


def test_a_dataset_of_the_library_comes_back_as_it_was(tmp_path):
    made = problems.get("heat", frames=3).simulate(3, resolution=16)
    made.to_netcdf(tmp_path / "heat.nc", engine="h5netcdf")
    read = data.open(tmp_path / "heat.nc")
    assert read.drop_attrs(deep=False).identical(made.drop_attrs(deep=False))
    assert read.attrs["grid"] == made.attrs["grid"]


def test_what_a_file_holds_is_not_changed(tmp_path):
    for name, write in WRITERS.items():
        write(tmp_path / name)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        data.open(tmp_path / name)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


class Bomb:
    """What a pickle would do when it is read."""

    def __reduce__(self):
        return os.system, ("touch exploded",)


def pickled(path):
    path.write_bytes(pickle.dumps({"u": Bomb()}, protocol=4))


def object_archive(path):
    np.savez(path, u=np.array([Bomb(), 1], dtype=object))


def object_store(path):
    import numcodecs
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=2)
    array = group.create_array("sample", shape=(2,), chunks=(2,), dtype="f8", filters=[numcodecs.Delta("f8")])
    array.attrs["_ARRAY_DIMENSIONS"] = ["sample"]
    text = (path / "sample" / ".zarray").read_text()
    (path / "sample" / ".zarray").write_text(text.replace('"delta"', '"pickle"').replace('"<f8"', '"|O"'))
    (path / "sample" / "0").write_bytes(pickle.dumps(np.array([Bomb(), 1], dtype=object)))


@pytest.mark.parametrize(
    ("name", "write"),
    [("own.pt", pickled), ("own2.pt", lambda path: torch.save({"u": Bomb()}, path)), ("own.npz", object_archive),
     ("own.zarr", object_store)],
    ids=["pickle", "torch", "archive", "store"],
)  # fmt: skip
def test_nothing_of_a_pickle_is_executed(name, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name)
    with pytest.raises(InvalidArgument, match=name):
        data.open(tmp_path / name)
    with pytest.raises(InvalidArgument, match=name):
        data.open_series(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("codec", ["numcodecs.pickle", "pickle"])
def test_a_codec_that_is_a_pickle_is_refused_in_every_version(codec, tmp_path):
    WRITERS["own.zarr"](tmp_path / "own.zarr")
    place = tmp_path / "own.zarr" / "u" / "zarr.json"
    told = json.loads(place.read_text())
    told["codecs"].append({"name": codec, "configuration": {}})
    place.write_text(json.dumps(told))
    with pytest.raises(InvalidArgument, match=r"own.zarr must hold numbers alone; u.zarr.json tells of a pickle"):
        data.open(tmp_path / "own.zarr")


def test_the_bombs_of_the_test_above_do_explode_where_pickles_are_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Bomb()))
    assert (tmp_path / "exploded").exists()


def test_arrays_that_lie_in_other_files_are_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(np.ones((6, 12)).tobytes())
    write_hdf5(tmp_path / "other.h5")
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file.create_dataset("s", (6, 12), "f8", external=[(str(tmp_path / "secret"), 0, 576)])
        file["link"] = h5py.ExternalLink("other.h5", "a")
    with pytest.raises(InvalidArgument, match=r"own.h5 must hold fields.*it holds nothing"):
        data.open(tmp_path / "own.h5")


def truncated(name):
    def write(path):
        WRITERS[name](path)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])

    return write


def huge(path):
    """An array whose header says more than any machine has."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000, 1000), }"
    header = header.ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("u.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("none.npz", lambda path: None, "must be a NumPy archive; there is none"),
        ("own.csv", lambda path: path.write_text("a,b"), r"must end in one of .*\.npz.*got '\.csv'"),
        ("own", lambda path: path.write_text("a,b"), "got 'no ending'"),
        ("folder.npz", lambda path: path.mkdir(), "must be a NumPy archive; there is another thing"),
        ("file.zarr", lambda path: path.write_text("a"), "must be a zarr store; there is another thing"),
        ("empty.zarr", lambda path: path.mkdir(), "cannot be read as a zarr store"),
        ("empty.npz", lambda path: path.write_bytes(b""), "it is empty"),
        ("table.npz", lambda path: path.write_text("time,x"), "it begins with b'time,x'"),
        ("hdf5.npz", write_hdf5, "must be a NumPy archive, as its ending says; it begins like a HDF5 file"),
        ("archive.h5", lambda path: path.write_bytes(b"PK\x03\x04" + bytes(40)), "begins like a NumPy archive"),
        ("half.npz", truncated("own.npz"), "cannot be read as a NumPy archive"),
        ("half.pt", truncated("own.pt"), "cannot be read as a torch file"),
        ("half.mat", truncated("own.mat"), "cannot be read as a MATLAB file"),
        ("half73.mat", truncated("own73.mat"), "cannot be read as a MATLAB file"),
        ("half.h5", truncated("own.h5"), "cannot be read as a HDF5 file"),
        ("half.nc", truncated("own.nc"), "cannot be read as a netCDF file"),
        ("huge.npz", huge, "cannot be read as a NumPy archive"),
        ("text.npz", lambda path: np.savez(path, u=np.array(["a", "b"])), r"must hold fields.*u <U1 \(2,\)"),
        ("number.pt", lambda path: torch.save({"epoch": 3}, path), "must hold a tensor"),
        ("sparse.pt", lambda path: torch.save(torch.eye(3).to_sparse(), path), "must be dense"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and " " not in value else "",
)
def test_a_file_that_nobody_meant_ends_in_one_sentence_that_names_it(name, write, message, tmp_path):
    write(tmp_path / name)
    with pytest.raises(InvalidArgument, match=message) as refusal:
        data.open(tmp_path / name)
    assert name in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_axes_of_a_file_that_are_not_uniform_name_the_file(tmp_path):
    np.savez(tmp_path / "own.npz", x=X**2, **FIELDS)
    with pytest.raises(InvalidArgument, match=r"own.npz: axis 'x' must increase with one spacing"):
        data.open(tmp_path / "own.npz")


def test_a_path_must_be_one():
    for wrong in (None, 3, b"own.npz"):
        with pytest.raises(InvalidArgument, match="path must be that of a file"):
            data.open(wrong)


def test_an_unknown_field_of_dims_is_named(tmp_path):
    np.savez(tmp_path / "own.npz", **FIELDS)
    with pytest.raises(UnknownName, match=r"unknown field of own.npz 'U'; known: a, u"):
        data.open(tmp_path / "own.npz", dims={"U": "sample x"})
