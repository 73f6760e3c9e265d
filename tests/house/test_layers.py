"""The house rules that can be read off the source: floors, cycles, hidden imports, leftovers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.house.floors import FLOOR_0, LATE_IMPORTS, MAY_IMPORT

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60


@dataclass(frozen=True)
class Import:
    """One imported module, and how it is imported."""

    line: int
    module: str
    local: bool
    typing_only: bool


def sources() -> dict[str, Path]:
    """Every module of the packages, by its dotted name."""
    found = {}
    for package in ("symc", "symc_cuda"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            found[".".join(parts)] = path
    return found


SOURCES = sources()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}
every_module = pytest.mark.parametrize("name", list(SOURCES))


def imports_of(tree: ast.Module, name: str, is_package: bool) -> Iterator[Import]:
    """All imports of a module, at any depth, with absolute names."""
    stack: list[tuple[ast.AST, bool, bool]] = [(tree, False, False)]
    while stack:
        node, local, typing_only = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            local = True
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only = True
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, local, typing_only)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, name, is_package)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(node.lineno, full if full in SOURCES else base, local, typing_only)
        elif (called := imported_by_call(node)) is not None:
            yield Import(node.lineno, called, local or not is_lazy(node), typing_only)  # type: ignore[attr-defined]
        stack.extend((child, local, typing_only) for child in ast.iter_child_nodes(node))


def absolute(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def imported_by_call(node: ast.AST) -> str | None:
    """The module that ``import_module("m")``, ``__import__("m")``, ``LazyModule("m")`` imports."""
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        importing = called_name(node) in ("import_module", "__import__", "LazyModule")
        return str(node.args[0].value) if importing else None
    return None


def called_name(node: ast.Call) -> str:
    """The last part of the name of what is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def is_lazy(node: ast.AST) -> bool:
    """Whether a call makes a module that is named at the top and imported when it is needed."""
    return isinstance(node, ast.Call) and called_name(node) == "LazyModule"


def module_imports(name: str) -> list[Import]:
    return list(imports_of(TREES[name], name, SOURCES[name].name == "__init__.py"))


def part_of(module: str) -> str:
    """The entry of the floor table that a dotted name belongs to."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == "symc" else first


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("symc", "symc_cuda")


@every_module
def test_imports_go_down_only(name: str) -> None:
    part = part_of(name)
    assert part in MAY_IMPORT, f"{part} has no place in tests/house/floors.py"
    wrong = [
        f"{SOURCES[name].relative_to(ROOT)}:{found.line} imports {found.module}"
        for found in module_imports(name)
        if is_ours(found.module) and part_of(found.module) not in (part, *MAY_IMPORT[part])
    ]
    assert not wrong, f"{part or 'symc'} may import {MAY_IMPORT[part]}:\n" + "\n".join(wrong)


@every_module
def test_no_import_hidden_in_a_function(name: str) -> None:
    wrong = [
        f"{SOURCES[name].relative_to(ROOT)}:{found.line} imports {found.module}"
        for found in module_imports(name)
        if found.local and found.module.partition(".")[0] not in LATE_IMPORTS
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_cycle() -> None:
    graph = {
        name: {
            found.module
            for found in module_imports(name)
            if is_ours(found.module) and not found.typing_only and found.module != name
        }
        for name in SOURCES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as problem:
        pytest.fail("import cycle: " + " -> ".join(problem.args[1]))


def test_floor_table_is_itself_acyclic() -> None:
    TopologicalSorter(MAY_IMPORT).prepare()
    assert not set(FLOOR_0) & {"graph", "scalar"}


def test_the_checks_see_what_they_must_see() -> None:
    tree = ast.parse(
        "from symc.errors import SymcError\n"
        "from . import graph\n"
        "from .graph import Op\n"
        "def f():\n"
        "    import json\n"
        "    importlib.import_module('symc.ops')\n"
    )
    found = {(i.module, i.local) for i in imports_of(tree, "symc.config", is_package=False)}
    assert ("symc.errors", False) in found
    assert ("symc.graph", False) in found
    assert ("json", True) in found
    assert ("symc.ops", True) in found
    assert part_of("symc.graph.node") == "graph"
    assert part_of("symc") == ""


@every_module
def test_no_exception_is_swallowed(name: str) -> None:
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "BaseException"
            empty = all(
                isinstance(statement, (ast.Pass, ast.Continue))
                or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
                for statement in node.body
            )
            assert not (empty and caught in ("Exception", "BaseException")), (
                f"{SOURCES[name].relative_to(ROOT)}:{node.lineno} swallows every exception"
            )


def text_files() -> list[Path]:
    folders = ("symc", "symc_cuda", "tests", "docs", "benchmarks")
    endings = {".py", ".c", ".h", ".md", ".toml", ".cu"}
    files = [p for f in folders for p in sorted((ROOT / f).rglob("*")) if p.suffix in endings]
    return [*files, ROOT / "README.md", ROOT / "setup.py", ROOT / "pyproject.toml"]


# Written in pieces, so that this file does not find itself.
LEFTOVERS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.~])/(?:ho" r"me|ro" r"ot|Us" r"ers|wo" r"rk)/\w")


def test_no_leftovers_and_no_paths_of_one_machine() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if LEFTOVERS.search(line) or MACHINE_PATHS.search(line)
    ]
    assert not wrong, "\n".join(wrong)


def test_report_long_files_and_functions(capsys: pytest.CaptureFixture[str]) -> None:
    """Not an error: long ones are a smell to look into."""
    report = []
    for name, path in SOURCES.items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_FILE_LINES:
            report.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(TREES[name]):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    report.append(f"{where}: {node.name} has {length} lines")
    if report:
        with capsys.disabled():
            print("\nlong files and functions:\n  " + "\n  ".join(report))
