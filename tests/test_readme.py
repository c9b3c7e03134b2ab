"""What the README shows runs as it stands, from top to bottom, a first and a second time in the same folder."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_the_python_of_the_readme_runs(folder):
    assert len(BLOCKS) == 7
    for _ in range(2):
        names = {}
        for block in BLOCKS:
            exec(compile(block, "README.md", "exec"), names)
        assert set(names["compared"].metrics["model"].values) > {"rival"}
        assert names["dynamics"].trained()(100.0).shape == names["y"].shape
