"""Print figures of the code itself, as a table; run it with `python -m bench.code`."""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "hallway"
SOURCE = Path(__file__).resolve().parents[1] / "src" / PACKAGE
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def modules() -> dict[str, ast.Module]:
    """Return every module of the package, parsed, by its dotted name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join((PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.Module, known: dict[str, ast.Module]) -> set[str]:
    """Return the modules of the package that a module imports: at any time, and for type checkers too."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    found = set()
    for name in names:
        if name.partition(".")[0] == PACKAGE:
            while name not in known:
                name = name.rpartition(".")[0]
            found.add(name)
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or around (Tarjan's components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            members = stack[at:]
            del stack[at:]
            if len(members) > 1:
                found.append(sorted(members))

    sys.setrecursionlimit(10_000)
    for name in graph:
        if name not in index:
            visit(name)
    return found


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method of a module."""
    yield from (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))


def length(function: ast.AST) -> int:
    """Return how many lines a function has, its docstring and decorators left out."""
    body = function.body  # type: ignore[attr-defined]
    first = body[0]
    is_documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    begin = first.end_lineno + 1 if is_documented else first.lineno
    return max(int(body[-1].end_lineno) - int(begin) + 1, 0)


def nesting(node: ast.AST) -> int:
    """Return how deep blocks stand in each other below a node."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (*FUNCTIONS, ast.ClassDef)):
            deepest = max(deepest, nesting(child) + isinstance(child, BLOCKS))
    return deepest


def repeated(names: list[str]) -> dict[str, int]:
    """Return the names that occur more than once."""
    return {name: count for name, count in sorted(Counter(names).items()) if count > 1}


def first_word(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """Return the first word of a function's docstring; None without one."""
    text = ast.get_docstring(function)
    return text.split()[0].strip("`,.:") if text else None


def main() -> None:
    """Print the figures as a Markdown table."""
    sys.path.insert(0, str(SOURCE.parents[1] / "tests"))
    from words import VERBS

    known = modules()
    graph = {name: imports(tree, known) - {name} for name, tree in known.items()}
    lengths = sorted(length(each) for tree in known.values() for each in functions(tree))
    depths = [nesting(each) for tree in known.values() for each in functions(tree)]
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py")]
    words = [word for tree in known.values() for each in functions(tree) if (word := first_word(each))]
    classes = [node.name for tree in known.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    files = [name.rpartition(".")[2] for name in known if not name.startswith(f"{PACKAGE}.agents.clients.")]
    figures = {
        "files": len(lines),
        "lines": sum(lines),
        "files: median, largest": f"{statistics.median(lines):g}, {max(lines)}",
        "functions": len(lengths),
        "functions: median, nine in ten, longest": f"{statistics.median(lengths):g}, "
        f"{lengths[int(len(lengths) * 0.9)]}, {lengths[-1]}",
        "nesting: nine in ten, deepest": f"{sorted(depths)[int(len(depths) * 0.9)]}, {max(depths)}",
        "circles, types included": len(circles(graph)),
        "class names that occur twice": len(repeated([name for name in classes if not name.startswith("_")])),
        "module names that occur twice": len(repeated(files)),
        "docstrings that start with a verb": f"{sum(word in VERBS for word in words)} of {len(words)}",
    }
    print("| figure | |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
