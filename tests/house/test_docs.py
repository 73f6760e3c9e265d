"""Every Python block of README.md and docs/*.md runs; so does every docs/*.py.

The blocks of one file run in order, in one namespace. A block whose info string says ``no-run`` is
left out; a block with prompts is checked as a doctest.
"""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = sorted((ROOT / "docs").glob("*.py"))


def python_blocks(text: str) -> list[tuple[int, str]]:
    """The runnable blocks as (line before the first, source)."""
    blocks = []
    lines = text.splitlines()
    start: int | None = None
    fence = ""
    runnable = False
    for i, line in enumerate(lines):
        stripped = line.strip()
        if start is None and stripped.startswith("```"):
            fence = stripped[: len(stripped) - len(stripped.lstrip("`"))]
            words = stripped[len(fence) :].split()
            runnable = bool(words) and words[0] == "python" and "no-run" not in words
            start = i + 1
        elif start is not None and stripped == fence:
            if runnable:
                blocks.append((start, "\n".join(lines[start:i]) + "\n"))
            start = None
    assert start is None, f"a code block that begins in line {start} never ends"
    return blocks


def run_block(source: str, line: int, page: Path, namespace: dict[str, Any]) -> None:
    if ">>>" in source:
        test = doctest.DocTestParser().get_doctest(source, namespace, page.name, str(page), line)
        out: list[str] = []
        runner = doctest.DocTestRunner(verbose=False)
        failed = runner.run(test, out=out.append, clear_globs=False).failed
        namespace.update(test.globs)
        assert not failed, "".join(out)
    else:
        exec(compile("\n" * line + source, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__docs__"}
    for line, source in python_blocks(page.read_text(encoding="utf-8")):
        run_block(source, line, page, namespace)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_run(script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_blocks_are_found() -> None:
    text = "```python\na = 1\n```\n```python no-run\nb\n```\n```\nc\n```\n  ```python\n  d\n  ```\n"
    assert [(line, source.strip()) for line, source in python_blocks(text)] == [
        (1, "a = 1"),
        (10, "d"),
    ]


def test_a_wrong_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run_block("1 / 0\n", 0, tmp_path / "page.md", {})
    with pytest.raises(AssertionError):
        run_block(">>> 1 + 1\n3\n", 0, tmp_path / "page.md", {})
