"""What a unit of a program includes."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

import symc
import symc.tensor as T
from tests.codegen.harness import COMPILER, INCLUDES

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

PROGRAMS = {
    "arithmetic": (lambda x: 2 * x + 1, ()),
    "absolute": (lambda x: abs(x) - 1, ("math",)),
    "infinite": (lambda x: T.switch(x > 0, x, np.inf), ("math",)),
    "missing": (lambda x: T.switch(T.isnan(x), 0.0, x), ()),
    "complex": (lambda x: T.real(T.exp(T.complex(x, x)) * (1 + 2j)), ("math", "complex")),
    "turned": (lambda x: T.conj(T.complex(x, x)).sum().imag, ("complex",)),
    "sum": (lambda x: x.sum(), ()),
    "functions": (lambda x: T.exp(T.sin(x)) ** x, ()),
    "quotients": (lambda x: x // 3 + x % 0.7, ()),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_what_is_used_is_declared(name, tmp_path):
    make, least = PROGRAMS[name]
    x = T.dvector()
    f = symc.function([x], make(x))
    source = f.maker.executor.main.source("symc")
    for header, text in source.headers.items():
        (tmp_path / header).write_text(text, encoding="utf-8")
    strict = ["-std=gnu11", "-fsyntax-only", "-Werror=implicit-function-declaration"]
    for unit in source.units:
        path = tmp_path / f"{unit.name}.c"
        path.write_text(unit.text, encoding="utf-8")
        done = subprocess.run(
            [COMPILER, *strict, *(f"-I{folder}" for folder in (*INCLUDES, tmp_path)), str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    text = "".join(unit.text for unit in source.units)
    for header in least:
        assert f"#include <{header}.h>" in text


def test_arithmetic_reads_no_header_of_functions():
    x = T.dvector()
    (unit,) = symc.function([x], 2 * x + 1).maker.executor.main.source("symc").units
    assert "<math.h>" not in unit.text
    assert "<complex.h>" not in unit.text
