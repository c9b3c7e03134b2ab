"""Sizes of the source, as `test_house` limits them; run as a script, this prints the largest of each.

    .venv/bin/python tests/measures.py

A body is what follows a function's docstring. Nesting is the number of blocks (if, for, while, with, try, match) around
a statement, counted anew in a nested function; an `elif` stands beside its `if`. Arguments are counted without `self`,
`cls`, `*rest` and `**rest`.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jaxtyping

ROOT = Path(__file__).resolve().parents[1]
TREES = (ROOT / "toolkit", ROOT / "widgets")
Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
SHAPED = {name for name, kind in vars(jaxtyping).items() if isinstance(kind, type)}
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Measured:
    """A function and its sizes; `name` is `path:line qualified_name`."""

    name: str
    body: int
    nesting: int
    arguments: int
    positional: int


def modules() -> list[Path]:
    """Every module of both trees."""
    return sorted(path for tree in TREES for path in tree.rglob("*.py"))


def short(path: Path) -> str:
    """The path from its tree: `limitlab/solvers/ode/solve.py`."""
    return next(path.relative_to(tree).as_posix() for tree in TREES if path.is_relative_to(tree))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Measured]:
    """The functions and methods of a module, nested ones too."""

    def walk(node: ast.AST, outer: tuple[str, ...]) -> Iterator[Measured]:
        for child in ast.iter_child_nodes(node):
            inner = (*outer, child.name) if isinstance(child, SCOPES) else outer
            if isinstance(child, Function):
                yield _measured(child, f"{short(path)}:{child.lineno} {'.'.join(inner)}")
            yield from walk(child, inner)

    yield from walk(tree_of(path), ())


def nesting(statements: list[ast.stmt]) -> int:
    """The number of blocks around the innermost statement."""
    return max((_depth(statement) for statement in statements), default=0)


def listed(path: Path) -> list[str]:
    """The names in a module's `__all__`, none where it has none."""
    for statement in tree_of(path).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return ast.literal_eval(statement.value)
    return []


def imported(path: Path) -> set[str]:
    """Full names of what a module imports, each also as the module that it may be."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def annotations(path: Path) -> list[ast.expr]:
    """Every annotation of a module: of arguments, of what is returned, of variables and fields."""
    nodes = list(ast.walk(tree_of(path)))
    written = [getattr(node, "annotation", None) for node in nodes]
    written += [node.returns for node in nodes if isinstance(node, Function)]
    return [annotation for annotation in written if annotation is not None]


def postponed(path: Path) -> bool:
    """Whether the module's annotations are not evaluated."""
    return "__future__.annotations" in imported(path)


def is_quoted(annotation: ast.expr) -> bool:
    """Whether part of an annotation is text that stands for a type, not a shape or a literal."""
    match annotation:
        case ast.Constant(value=str()):
            return True
        case ast.Subscript(value=ast.Name(id="Literal")):
            return False
        case ast.Subscript(value=ast.Name(id=kind), slice=ast.Tuple(elts=[array, _])) if kind in SHAPED:
            return is_quoted(array)
    return any(is_quoted(part) for part in ast.iter_child_nodes(annotation) if isinstance(part, ast.expr))


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def comments(path: Path) -> int:
    """Comments of a module; those that only speak to a tool are left out."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    tools = ("noqa", "type:", "fmt:")
    return sum(token.type == tokenize.COMMENT and not token.string.lstrip("# ").startswith(tools) for token in tokens)


def _measured(function: Function, name: str) -> Measured:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    arguments = function.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    count = len(positional) - (positional[:1] in (["self"], ["cls"]))
    return Measured(
        name,
        body=function.end_lineno - body[0].lineno + 1 if body else 0,
        nesting=nesting(body),
        arguments=count + len(arguments.kwonlyargs),
        positional=count,
    )


def _depth(statement: ast.stmt) -> int:
    if not isinstance(statement, BLOCKS):
        return 0
    if isinstance(statement, ast.Match):
        return 1 + max(nesting(case.body) for case in statement.cases)
    parts = [statement.body, getattr(statement, "finalbody", [])]
    parts += [handler.body for handler in getattr(statement, "handlers", [])]
    rest = getattr(statement, "orelse", [])
    if isinstance(statement, ast.If) and len(rest) == 1 and isinstance(rest[0], ast.If):
        return max(1 + max(map(nesting, parts)), _depth(rest[0]))
    return 1 + max(map(nesting, [*parts, rest]))


def report() -> str:
    """The largest of everything, a line each."""
    paths = modules()
    measured = [function for path in paths for function in functions(path)]
    bodies = sorted(function.body for function in measured)
    shown = {
        "longest module": max((lines(path), short(path)) for path in paths),
        "longest body": max((function.body, function.name) for function in measured),
        "deepest nesting": max((function.nesting, function.name) for function in measured),
        "most arguments": max((function.arguments, function.name) for function in measured),
        "most by position": max((function.positional, function.name) for function in measured),
        "longest __all__": max((len(listed(path)), short(path)) for path in paths),
    }
    rows = [f"{what:<18}{size:>5}  {where}" for what, (size, where) in shown.items()]
    total = sum(map(lines, paths))
    rows.append(f"{'bodies':<18}{bodies[len(bodies) // 2]:>5}  median of {len(bodies)}, 9 of 10 at most ")
    rows[-1] += f"{bodies[9 * len(bodies) // 10]} lines"
    remarks = sum(map(comments, paths))
    rows.append(f"{'comments':<18}{100 * remarks / total:>5.2f}  in 100 lines: {remarks} in {total}")
    return "\n".join(rows)


if __name__ == "__main__":
    print(report())
