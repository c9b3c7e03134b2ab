"""The table of variables holds all that the code reads, and the README and the doctor show it."""

import re
from pathlib import Path

from limitlab.cli import main
from limitlab.cli.variables import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
READ_BY_OTHERS = {"OMP_NUM_THREADS"}


def test_every_variable_that_is_read_is_in_the_table():
    code = "\n".join(
        p.read_text(encoding="utf-8") for tree in ("toolkit", "widgets") for p in (ROOT / tree).rglob("*.py")
    )
    read = set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', code)) | set(re.findall(r'"(\w+)" not in os\.environ', code))
    assert read | READ_BY_OTHERS == {variable.name for variable in VARIABLES}


def test_the_readme_shows_the_table(capsys):
    assert main(["list", "variables", "--markdown"]) == 0
    assert capsys.readouterr().out in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_doctor_says_what_is_set(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("LIMITLAB_NOTEBOOKS", raising=False)
    main(["doctor"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["RANK"].endswith("'0'")
    assert "not set" in lines["LIMITLAB_NOTEBOOKS"]
    assert {variable.name for variable in VARIABLES} <= lines.keys()
