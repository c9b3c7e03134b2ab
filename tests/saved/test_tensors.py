"""Files of tensors: whole or not there, as open as their folder, and refused where a byte has changed."""

import pytest
import torch
from safetensors.torch import save_file

from limitlab.saved.tensors import DamagedFile, read_tensors, write_tensors


def test_files_can_be_read_by_those_who_can_read_the_folder(tmp_path):
    tmp_path.chmod(0o755)
    write_tensors(tmp_path / "weights.safetensors", {"a": torch.ones(3)}, {})
    assert (tmp_path / "weights.safetensors").stat().st_mode & 0o777 == 0o644


def test_failed_write_keeps_the_file_before(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_tensors(path, {"a": torch.ones(3)}, {})

    with pytest.raises(TypeError, match="serializable"):
        write_tensors(path, {"a": torch.zeros(3)}, {"step": object()})
    assert torch.equal(read_tensors(path)[0]["a"], torch.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128, torch.bfloat16, torch.bool, torch.int64])
def test_tensors_come_back_as_they_were(tmp_path, dtype):
    tensors = {
        "matrix": torch.randn(3, 4, dtype=torch.complex128).to(dtype)
        if dtype.is_complex
        else torch.randn(3, 4).to(dtype),
        "number": torch.ones((), dtype=dtype),
        "none": torch.zeros(0, 2, dtype=dtype),
    }
    tensors["same"] = tensors["matrix"].T
    write_tensors(tmp_path / "t.safetensors", tensors, {"step": 1})
    found, header = read_tensors(tmp_path / "t.safetensors")
    assert header == {"step": 1}
    assert all(found[name].dtype == dtype and torch.equal(found[name], tensors[name]) for name in tensors)


def test_one_number_out_of_a_row_is_stored(tmp_path):
    """Its stride is that of the row, which makes it no less contiguous."""
    column = torch.arange(6.0).reshape(3, 2)[:1, 1:]
    turned = torch.arange(2.0).reshape(1, 2).T[1:]
    assert turned.is_contiguous()
    write_tensors(tmp_path / "row.safetensors", {"column": column, "turned": turned}, {})
    stored, _ = read_tensors(tmp_path / "row.safetensors")
    assert torch.equal(stored["column"], column)
    assert torch.equal(stored["turned"], turned)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("[" * 100_000, "no file of ours"),
        ("{}", "no file of ours"),
        ('{"format": "limitlab-tensors-9", "header": {}, "crc32": 0, "complex": []}', "limitlab-tensors-9"),
        ('{"format": "limitlab-tensors-1", "header": {}, "crc32": 0, "complex": []}', "checksum"),
        ('{"format": "limitlab-tensors-1", "header": {}, "crc32": 0, "complex": ["a"]}', "no file of ours"),
        ('{"format": "limitlab-tensors-1", "header": {}, "crc32": 0, "complex": null}', "no file of ours"),
    ],
)
def test_headers_of_others_are_refused(header, message, tmp_path):
    save_file({"a": torch.ones(3)}, tmp_path / "a.safetensors", metadata={"limitlab": header})
    with pytest.raises(DamagedFile, match=message):
        read_tensors(tmp_path / "a.safetensors")
