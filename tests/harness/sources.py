"""Python sources as syntax trees, and what they import: for tests that say how the code has to look."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name. `function`: the one it stands in, if it is not at the top."""

    target: str
    line: int
    function: str | None


@dataclass(frozen=True)
class Source:
    """One module. `file` is relative to the folder that was read; it is what people see in messages."""

    name: str
    file: str
    text: str
    tree: ast.Module
    known: frozenset[str]

    def at(self, line: int, what: str) -> str:
        """A sentence about a line."""
        return f"{self.file}:{line}: {what}"

    def imports(self) -> Iterator[Import]:
        """Everything that is imported, wherever it stands. `from package import module` imports the module."""
        for node, function in with_function(self.tree):
            match node:
                case ast.Import(names=names):
                    targets = [alias.name for alias in names]
                case ast.ImportFrom(names=names):
                    package = self._package(node)
                    full = [f"{package}.{alias.name}" for alias in names]
                    targets = [each if each in self.known else package for each in full]
                case _:
                    continue
            for target in dict.fromkeys(targets):
                yield Import(target, node.lineno, function)

    def functions(self) -> Iterator[Function]:
        """Every function, methods and inner ones included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def _package(self, node: ast.ImportFrom) -> str:
        """The full name of what stands behind `from`."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        if not self.file.endswith("__init__.py"):
            parts.pop()
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, *([node.module] if node.module else [])])


def with_function(tree: ast.AST, function: str | None = None) -> Iterator[tuple[ast.AST, str | None]]:
    """Every node below `tree`, and the name of the innermost function around it."""
    for node in ast.iter_child_nodes(tree):
        yield node, function
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from with_function(node, inner)


def read_sources(folder: Path, package: str) -> list[Source]:
    """All modules of the package that lies in `folder`."""
    files = sorted((folder / package).rglob("*.py"))
    names = {file: _name(file.relative_to(folder)) for file in files}
    known = frozenset(names.values())
    return [
        Source(
            names[file],
            str(file.relative_to(folder)),
            text := file.read_text("utf-8"),
            ast.parse(text),
            known,
        )
        for file in files
    ]


def _name(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
