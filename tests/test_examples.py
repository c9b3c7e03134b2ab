"""Every public name shows itself at work: one example or more in its docstring, with `ll` and `torch` in scope.

Constants, modules, type aliases and protocols have none; neither have errors, which stand in the docstring of what
raises them.
"""

import ast
import doctest
import importlib
import inspect

import numpy as np
import pytest
import torch
from measures import listed, modules, short

import limitlab as ll

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
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
    require_as_shown(doctest.DocTestFinder(exclude_empty=True).find(module_of(path), globs={"ll": ll, "torch": torch}))


@pytest.mark.parametrize("path", EXAMPLES, ids=short)
def test_examples_do_the_same_with_numbers_of_numpy(path, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    tests = doctest.DocTestFinder(exclude_empty=True).find(module_of(path), globs={"ll": ll, "torch": torch, "np": np})
    for test in tests:
        for example in test.examples:
            example.source = ast.unparse(NumbersOfNumPy().visit(ast.parse(example.source))) + "\n"
    require_as_shown(tests)


class NumbersOfNumPy(ast.NodeTransformer):
    """Every number that a call of `ll.` is given, alone or in a tuple or list, as np.int64 or np.float64."""

    def visit_Call(self, node):
        self.generic_visit(node)
        if ast.unparse(node.func).startswith("ll.") and not ast.unparse(node.func).endswith((".tolist", ")")):
            node.args = [self.converted(argument) for argument in node.args]
            for keyword in node.keywords:
                keyword.value = self.converted(keyword.value)
        return node

    def converted(self, node):
        if isinstance(node, ast.Tuple | ast.List):
            node.elts = [self.converted(entry) for entry in node.elts]
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            kind = "np.int64" if isinstance(node.value, int) else "np.float64"
            return ast.parse(f"{kind}({node.value!r})", mode="eval").body
        return node


def require_as_shown(tests):
    runner, written = doctest.DocTestRunner(optionflags=FLAGS), []
    for test in tests:
        torch.manual_seed(0)
        runner.run(test, out=written.append)
    assert runner.tries > 0
    assert not runner.failures, "".join(written)
