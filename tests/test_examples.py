"""Every public name shows itself at work: one example or more in its docstring, with `ll` and `torch` in scope.

Constants, modules, type aliases and protocols have none; neither have errors, which stand in the docstring of what
raises them.
"""

import doctest
import importlib
import inspect

import pytest
import torch
from measures import listed, modules, short

import limitlab as ll

PACKAGES = [path for path in modules() if path.name == "__init__.py" and listed(path)]
EXAMPLES = [path for path in modules() if ">>> " in path.read_text(encoding="utf-8")]


def module_of(path):
    return importlib.import_module(short(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."))


def needs_example(thing):
    if inspect.isclass(thing):
        return not issubclass(thing, BaseException) and not getattr(thing, "_is_protocol", False)
    return inspect.isroutine(inspect.unwrap(thing)) if callable(thing) else False


@pytest.mark.parametrize("path", PACKAGES, ids=short)
def test_every_listed_name_has_an_example(path):
    package = module_of(path)
    things = {name: getattr(package, name) for name in listed(path)}
    bare = [name for name, thing in things.items() if needs_example(thing) and ">>> " not in (thing.__doc__ or "")]
    assert not bare, f"{package.__name__}: no example in the docstring of {', '.join(bare)}"


@pytest.mark.parametrize("path", EXAMPLES, ids=short)
def test_examples_do_as_they_show(path, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    written = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module_of(path), globs={"ll": ll, "torch": torch}):
        torch.manual_seed(0)
        runner.run(example, out=written.append)
    assert runner.tries > 0
    assert not runner.failures, "".join(written)
