"""What numba keeps is forgotten when any module of its folder changes."""

import os

from limitlab.solvers.numba_cache import forget_stale


def test_what_is_older_than_a_module_is_removed(tmp_path):
    kept = tmp_path / "__pycache__"
    kept.mkdir()
    for name, moment in (("one.py", 100), ("two.py", 200), ("__pycache__/old.nbi", 150), ("__pycache__/new.nbi", 250)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (moment, moment))
    forget_stale(tmp_path)
    assert [path.name for path in kept.iterdir()] == ["new.nbi"]
