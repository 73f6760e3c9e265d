"""`import symc` starts no process and writes no file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

WATCH = """
import sys
import numpy

seen = []
SPAWNING = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn",
            "os.spawn", "socket.connect")
WRITING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod",
           "os.truncate", "shutil.copyfile", "tempfile.mkstemp", "tempfile.mkdtemp")

def hook(event, args):
    if event in SPAWNING or event in WRITING:
        seen.append((event, args))
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append((event, args))

sys.addaudithook(hook)
import symc
assert not seen, seen
heavy = {"scipy", "matplotlib", "sklearn", "rich", "symc.lower.lower", "symc.codegen.cstyle"}
heavy &= set(sys.modules)
assert not heavy, heavy
print("quiet")
"""


def run(code: str, *options: str, **environ: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("SYMC_FLAGS", "SYMCRC")}
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=ROOT,
        env={**env, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    assert run(WATCH, "-B", HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "c")) == "quiet"
    assert not list(tmp_path.iterdir())


def test_import_works_without_a_home_directory() -> None:
    assert run("import symc; print('ok')", HOME="/nonexistent", XDG_CACHE_HOME="") == "ok"
