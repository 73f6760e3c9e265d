"""Every record flagged as vector vectorises, alone and with its gradient."""

import shutil
import subprocess

import pytest

from symc.dtypes import is_complex, is_continuous
from symc.scalar.arith import abs_, clip, maximum, minimum, sgn
from symc.scalar.ctext import c_literal
from symc.scalar.derive import gradient
from symc.scalar.expr import Context, walk
from symc.scalar.logic import isnan, switch
from symc.scalar.math import cos, exp, log1p, sigmoid, sin, tan, tanh
from symc.scalar.op import REGISTRY
from tests.scalar.cunit import FLAGS, INCLUDE, accepts, arity

C_TYPE = {"float32": "float", "float64": "double", "bool": "uint8_t"}


def vector_records():
    return [
        name
        for name, op in REGISTRY.items()
        if op.vector and op.cost and accepts(op, "float32") and not name.startswith("convert_to")
    ]


CHAINS = {
    "limits": lambda a, b, c: minimum(maximum(a, b), c),
    "largest": lambda a, b, c: maximum(maximum(a, b), maximum(b, c)),
    "clip_of_sign": lambda a, b, c: sgn(clip(a, b, c)) * abs_(a),
    "leaky": lambda a, b, c: switch(a > 0, a, a * b) + c,
    "logistic": lambda a, b, c: log1p(exp(-abs_(a))) + maximum(a, 0) - b * sigmoid(c),
    "selection": lambda a, b, c: switch((a > b) & (b > c) | isnan(a), exp(a), tanh(b)),
    "angle": lambda a, b, c: sin(a) * cos(a) + tan(b) * c,
}
"""Compositions that compilers have turned into branches."""


def roots_of(name, dtype, with_gradient):
    """The value and the gradients."""
    ctx = Context()
    xs = [ctx.arg(i, dtype) for i in range(count(name))]
    y = CHAINS[name](*xs) if name in CHAINS else REGISTRY[name](*xs)
    if not with_gradient or not is_continuous(y.dtype) or is_complex(y.dtype):
        return [y]
    terms = gradient(y, xs, ctx.arg(9, y.dtype))
    return [y, *[t for t in terms if t is not None]]


def count(name):
    return 3 if name in CHAINS else arity(REGISTRY[name])


def statements(roots):
    """One definition per value, as in generated code."""
    texts, lines = {}, []
    for node in walk(roots):
        if node.kind == "arg":
            texts[node] = f"a{node.payload}[i]"
        elif node.kind == "const":
            texts[node] = c_literal(node.payload, node.dtype)
        else:
            texts[node] = f"v{node.number}"
            value = node.op.c_text(node.args[-1].dtype, [texts[a] for a in node.args])
            lines.append(f"    const {C_TYPE[node.dtype]} v{node.number} = {value};\n")
    return lines + [f"    o{k}[i] = {texts[r]};\n" for k, r in enumerate(roots)]


def loop_text(name, dtype, with_gradient):
    roots = roots_of(name, dtype, with_gradient)
    assert all(n.op.vector for n in walk(roots) if n.kind == "call"), name
    used = [f"a{i}" for i in (*range(count(name)), 9)]
    lines = [f"const {C_TYPE[dtype]} *restrict {a}, " for a in used]
    outs = [f"{C_TYPE[r.dtype]} *restrict o{k}" for k, r in enumerate(roots)]
    body = statements(roots)
    return (
        f"void {name}_{dtype}_{with_gradient:d}(int64_t n, {''.join(lines)}{', '.join(outs)}) {{\n"
        "#pragma omp simd\n  for (int64_t i = 0; i < n; i++) {\n" + "".join(body) + "  }\n}\n"
    )


@pytest.mark.compiler
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="the report that is read is gcc's")
def test_vector_records_vectorise(tmp_path):
    cases = [
        (name, dtype, with_gradient)
        for name in (*vector_records(), *CHAINS)
        for dtype in ("float32", "float64")
        for with_gradient in (False, True)
    ]
    source, report = tmp_path / "vector.c", tmp_path / "report.txt"
    headers = '#include "special.h"\n#include "sy_sampling.h"\n'
    source.write_text(headers + "".join(loop_text(*case) for case in cases))
    options = ["-O3", "-fopenmp-simd", "-fno-ipa-icf", f"-fdump-tree-vect-optimized={report}"]
    output = str(tmp_path / "vector.o")
    done = subprocess.run(
        ["gcc", *FLAGS, *options, f"-I{INCLUDE}", "-c", str(source), "-o", output],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[:4000]
    vectorised = set()
    for section in report.read_text().split(";; Function ")[1:]:
        if "optimized: loop vectorized" in section:
            vectorised.add(section.split(maxsplit=1)[0])
    scalar = [c for c in cases if f"{c[0]}_{c[1]}_{c[2]:d}" not in vectorised]
    assert not scalar, f"not vectorised (record, dtype, with gradient): {scalar}"
