"""The C text writes no global state, so that any number of threads may run it."""

import shutil
import subprocess

import pytest

from tests.scalar.cunit import FLAGS, INCLUDE, compiler

GLOBAL_WRITERS = {"lgamma", "lgammaf", "gamma", "strtok", "rand", "setlocale"}
"""Functions of the C library that write to global variables, ``signgam`` among them."""


@pytest.mark.skipif(compiler() is None or shutil.which("nm") is None, reason="no compiler or nm")
def test_no_special_function_calls_what_writes_global_variables(tmp_path):
    source = tmp_path / "all.c"
    names = ("gammaln", "gamma", "gammainc", "gammaincc", "gammal", "gammau", "chi2sf")
    calls = "".join(
        f"double c_{n}(double a, double b) {{ return sy_{n}({'a' if i < 2 else 'a, b'}); }}\n"
        for i, n in enumerate(names)
    )
    source.write_text('#include "special.h"\n' + calls)
    library = tmp_path / "all.so"
    subprocess.run(
        [compiler(), *FLAGS, f"-I{INCLUDE}", "-o", str(library), str(source), "-lm"], check=True
    )
    symbols = subprocess.run(
        ["nm", "-D", "--undefined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout.split()
    used = {symbol.split("@")[0] for symbol in symbols}
    assert "lgamma_r" in used
    assert not used & GLOBAL_WRITERS
