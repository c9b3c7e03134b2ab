"""The reference: every name that a package lists, with its signature, its docstring and its examples.

Read from the source itself, without importing it: a signature stands as it was written, with its shapes, and a
docstring is text, in which a formula keeps its asterisks. A docstring's paragraphs, lists, examples and indented blocks
become those of reStructuredText; everything else in it is shown as it is.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent, indent

from limitlab.errors import InvalidArgument

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
PUNCTUATION = re.compile(r"([\\*`|_:\-.+#=~^\"'<>\[\]{}()!/@$%&;,?])")
DEFINED = re.compile(r"^(?:class )?([A-Z]\w*)(?:\(|:| = )", re.MULTILINE)
LITERAL = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Source:
    """Where the packages lie."""

    trees: tuple[Path, ...]

    def path(self, module: str) -> Path:
        """The file of a module. Raises InvalidArgument where there is none."""
        below = Path(*module.split("."))
        for tree in self.trees:
            for path in (tree / below.with_suffix(".py"), tree / below / "__init__.py"):
                if path.is_file():
                    return path
        raise InvalidArgument(f"no module {module} in {', '.join(map(str, self.trees))}")

    def has(self, module: str) -> bool:
        try:
            return bool(self.path(module))
        except InvalidArgument:
            return False

    def packages(self) -> list[str]:
        """The packages that list names, by name."""
        paths = ((tree, path) for tree in self.trees for path in sorted(tree.rglob("__init__.py")))
        return [".".join(path.relative_to(tree).parent.parts) for tree, path in paths if listed(tree_of(path))]


def page(package: str, source: Source) -> str:
    """The page of a package, in reStructuredText."""
    tree = tree_of(source.path(package))
    parts = [package, "=" * len(package), "", f".. py:module:: {package}", "", text(ast.get_docstring(tree) or ""), ""]
    for name in listed(tree):
        parts += [entry(package, name, source), ""]
    return "\n".join(parts)


def entry(package: str, name: str, source: Source) -> str:
    """The description of one listed name."""
    module, own = resolve(package, name, source)
    if own is None:
        if listed(tree_of(source.path(module))):
            return f"**{name}** has a page of its own: :doc:`{module}`."
        return _directive("py:attribute", name, text(ast.get_docstring(tree_of(source.path(module))) or ""))
    node, documented = definition(source.path(module), own)
    where = f"Defined in `{module}, line {node.lineno} <../{source_page(module)}.html#L-{node.lineno}>`__"
    if isinstance(node, ast.ClassDef):
        return _class(name, node, where)
    if isinstance(node, ast.FunctionDef):
        return _function(name, node, where)
    kind = [f":type: {ast.unparse(node.annotation)}"] if isinstance(node, ast.AnnAssign) else []
    return _directive("py:data", name, f"{text(documented)}\n\n{where}", kind)


def source_page(module: str) -> str:
    """The page that shows the source of a module."""
    return f"source/{module.replace('.', '/')}"


def modules(source: Source) -> list[str]:
    """The modules that define what is listed."""
    names = [(package, name) for package in source.packages() for name in listed(tree_of(source.path(package)))]
    return sorted({module for module, own in (resolve(*each, source) for each in names) if own})


def resolve(module: str, name: str, source: Source) -> tuple[str, str | None]:
    """The module that defines a name and its name there; a module itself has none."""
    imported = imports(source.path(module)).get(name)
    if imported:
        whole = ".".join(imported)
        return (whole, None) if source.has(whole) else resolve(*imported, source)
    if any(name in _names(node) for node in tree_of(source.path(module)).body):
        return module, name
    if source.has(f"{module}.{name}"):
        return f"{module}.{name}", None
    raise InvalidArgument(f"{module} has no {name}")


def unmistakable(source: Source) -> list[str]:
    """The listed names that one module alone defines: in an annotation, they mean nothing else."""
    counted: Counter[str] = Counter()
    for tree in source.trees:
        for path in tree.rglob("*.py"):
            counted.update(set(DEFINED.findall(path.read_text(encoding="utf-8"))))
    names = Counter(name for package in source.packages() for name in listed(tree_of(source.path(package))))
    return sorted(name for name, times in names.items() if times == 1 and counted[name] == 1)


def definition(path: Path, name: str) -> tuple[Definition, str]:
    """The statement that defines a name in a module, and its docstring; that of a constant stands below it."""
    body = tree_of(path).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if name not in _names(node):
            continue
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return node, ast.get_docstring(node) or ""
        assert isinstance(node, ast.Assign | ast.AnnAssign)
        below = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        return node, below if isinstance(below, str) else ""
    raise InvalidArgument(f"{path} defines no {name}")


def listed(tree: ast.Module) -> list[str]:
    """The names in a module's `__all__`, none where it has none."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and "__all__" in _names(statement):
            return list(ast.literal_eval(statement.value))
    return []


@cache
def imports(path: Path) -> dict[str, tuple[str, str]]:
    """What a module imports from others, in its functions too: name -> module, name there."""
    nodes = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.asname or alias.name: (node.module or "", alias.name) for node in nodes for alias in node.names}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def text(docstring: str) -> str:
    """A docstring as reStructuredText that shows what is written."""
    return "\n\n".join(block for part in re.split(r"\n\s*\n", docstring.strip("\n")) for block in _blocks(part))


def _blocks(part: str) -> Iterator[str]:
    """A part between blank lines: an example, an indented block, a table, a list or a paragraph."""
    lines = part.split("\n")
    start = next((number for number, line in enumerate(lines) if line.split()[:1] == [">>>"]), None)
    if start:
        yield from _blocks("\n".join(lines[:start]))
        lines = lines[start:]
    if start is not None:
        yield ".. code-block:: pycon\n\n" + indent(dedent("\n".join(lines)), "   ")
    elif all(line.startswith(("    ", "|")) for line in lines):
        yield "::\n\n" + indent("\n".join(lines), "   ")
    elif lines[0].startswith("- "):
        items = re.split(r"\n(?=- )", part)
        yield "\n".join(f"- {_inline(' '.join(item[2:].split()))}" for item in items)
    elif part.strip():
        yield _inline(" ".join(part.split()))


def _inline(sentence: str) -> str:
    """A sentence of which nothing is markup but what stands in backticks."""
    parts = LITERAL.split(sentence)
    shown = [f"\\ ``{part}``\\ " if number % 2 else PUNCTUATION.sub(r"\\\1", part) for number, part in enumerate(parts)]
    return "".join(shown).strip()


def _class(name: str, node: ast.ClassDef, where: str) -> str:
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    constructor = next((method for method in methods if method.name == "__init__"), None)
    signature = _signature(constructor, bound=True) if constructor else _fields(node)
    parts = [text(ast.get_docstring(node) or ""), where]
    parts += [_method(method) for method in methods if not method.name.startswith("_") and ast.get_docstring(method)]
    kind = "py:exception" if _is_exception(node) else "py:class"
    return _directive(kind, name + signature, "\n\n".join(filter(None, parts)))


def _method(node: ast.FunctionDef) -> str:
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    said = text(ast.get_docstring(node) or "")
    if decorators & {"property", "cached_property"}:
        return _directive(
            "py:property", node.name, said, [f":type: {ast.unparse(node.returns)}"] if node.returns else []
        )
    kinds = [f":{kind}:" for kind in ("staticmethod", "classmethod") if kind in decorators]
    return _directive("py:method", node.name + _signature(node, bound="staticmethod" not in decorators), said, kinds)


def _function(name: str, node: ast.FunctionDef, where: str) -> str:
    return _directive("py:function", name + _signature(node), f"{text(ast.get_docstring(node) or '')}\n\n{where}")


def _signature(node: ast.FunctionDef, bound: bool = False) -> str:
    """As written; without the first argument of a bound method."""
    given = node.args
    if bound and given.posonlyargs:
        given = ast.arguments(**{**dict(ast.iter_fields(given)), "posonlyargs": given.posonlyargs[1:]})
    elif bound:
        given = ast.arguments(**{**dict(ast.iter_fields(given)), "args": given.args[1:]})
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    return f"({ast.unparse(given)}){returns}"


def _fields(node: ast.ClassDef) -> str:
    """The arguments of a dataclass: its annotated fields."""
    if not any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return ""
    fields = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign)]
    return "(" + ", ".join(field for field in fields if "ClassVar" not in field and "init=False" not in field) + ")"


def _is_exception(node: ast.ClassDef) -> bool:
    return any(re.search(r"(Error|Warning|Exception|Argument|Failed)$", ast.unparse(base)) for base in node.bases)


def _names(node: ast.stmt) -> set[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _directive(kind: str, signature: str, body: str, options: Sequence[str] = ()) -> str:
    lines = [f".. {kind}:: {signature}", *(f"   {option}" for option in options)]
    return "\n".join([*lines, "", indent(body, "   "), ""])
