"""Programs found by their plan: the same results, messages and updates, without compiling."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.compile.plans import plan_key
from symc.config import change_flags
from symc.graph.op import Op
from symc.runtime import native_available
from symc.scalar.op import ScalarOp

ROOT = Path(__file__).resolve().parents[2]
needs_compiler = pytest.mark.skipif(not native_available(), reason="no compiled code here")

MODEL = """
import sys
import numpy as np, symc, symc.tensor as T
from symc.tensor.shared_randomstreams import RandomStreams
r = np.random.default_rng(0)
x, y = T.matrix("x"), T.ivector("y")
W, b = (symc.shared(r.normal(size=s), name=n) for s, n in [((5, 3), "W"), ((3,), "b")])
mask = RandomStreams(3).binomial(x.shape, p=0.5)
p = T.nnet.softmax((x * mask).dot(W) + b)
cost = T.nnet.categorical_crossentropy(p, y).mean()
states, _ = symc.scan(lambda v, h: T.tanh(h.dot(W.T).dot(W) + v), [p], [T.zeros(3)])
f = symc.function([x, y], [cost, states[-1], x[1:, ::2].max(axis=1)],
                  updates=[(q, q - 0.1 * symc.grad(cost, q)) for q in (W, b)])
a = r.normal(size=(4, 5))
for _ in range(3):
    found = f(a, np.array([0, 2, 1, 1], "int32"))
print([v.tolist() for v in found], W.get_value().tolist(), b.get_value().tolist())
print(type(f.maker.executor).__name__, "symc.codegen.program_c" in sys.modules)
"""

WRONG = """
import numpy as np, symc, symc.tensor as T
x, y, i = T.matrix("x"), T.matrix("y"), T.iscalar("i")
s = symc.shared(np.zeros(2))
f = symc.function([x, y, i], [x * y, x[i]], updates=[(s, s + x.sum(axis=0)[:2])])
one = np.ones((2, 3))
for args in [(one, np.ones((4, 3)), 0), (one, one, 7), (one, one[:1], 0), (one, one, 1)]:
    try:
        print([v.tolist() for v in f(*args)], s.get_value())
    except Exception as error:
        print(type(error).__name__, error, s.get_value())
print(type(f.maker.executor).__name__, len(symc.printing.debugprint(f, file="str")) > 20)
print(len(symc.explain(f)) > 20, f.maker.executor.main.lowered is not None)
"""


def run(program: str, cache: Path, **environ: str) -> list[str]:
    flags = ",".join(
        [f"base_compiledir={cache}", environ.pop("flags", ""), "optimizer_verbose=False"]
    )
    kept = {k: v for k, v in os.environ.items() if k not in ("SYMC_FLAGS", "SYMCRC")}
    env = {**kept, "SYMC_FLAGS": flags.replace(",,", ","), "PYTHONPATH": str(ROOT), **environ}
    path = cache.parent / "program.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_compiler
def test_a_second_process_compiles_nothing_and_computes_the_same(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = run(MODEL, cache, PYTHONHASHSEED="1")
    assert first[-1] == "NativeExecutor True"
    second = run(MODEL, cache, PYTHONHASHSEED="2")
    assert second[-1] == "PlannedExecutor False"
    assert second[:-1] == first[:-1]
    without = run(MODEL, cache, flags="cache_plans=False")
    assert without[-1] == "NativeExecutor True"
    assert without[:-1] == first[:-1]


@needs_compiler
def test_messages_other_variants_and_printed_graphs_are_the_same(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, second = run(WRONG, cache), run(WRONG, cache)
    assert "PlannedExecutor True" in second
    assert [line.replace("Planned", "Native") for line in second] == first


@needs_compiler
@pytest.mark.parametrize("suffix", [".so", ".blob"])
def test_damaged_entries_are_made_again(tmp_path: Path, suffix: str) -> None:
    cache = tmp_path / "cache"
    first = run(WRONG, cache)
    damaged = list(cache.rglob(f"*{suffix}"))
    assert damaged
    for path in damaged:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    assert run(WRONG, cache) == first
    assert "PlannedExecutor True" in run(WRONG, cache)


def key_of(*args: object, **options: object) -> str | None:
    """The key of a function's plan."""
    with change_flags(cache_plans=True):
        return plan_key(symc.function(*args, **options).maker.executor.task)  # type: ignore[arg-type]


@needs_compiler
def test_keys_tell_apart_what_makes_another_program() -> None:
    x = T.dvector("x")
    long = T.dvector("x")
    s = symc.shared(np.zeros(3))
    declared = T.tensor("float64", shape=(3,), name="x")
    base = key_of([x], x * 2 + 1)
    assert base is not None
    assert key_of([long], long * 2 + 1) == base  # names and identities do not matter
    others = [
        key_of([x], x * 2 + 3),
        key_of([x], x * 2.0 - 1),
        key_of([declared], declared * 2 + 1),
        key_of([symc.In(x, strict=True)], x * 2 + 1),
        key_of([symc.In(x, mutable=True)], x * 2 + 1),
        key_of([x], x * 2 + 1, updates=[(s, s + 1)]),
        key_of([x], [x * 2 + 1, x]),
        key_of([x], x * 2 + 1, mode=symc.Mode().excluding("fusion")),
        key_of([x], x[:2] * 2 + 1),
        key_of([x], x[::2] * 2 + 1),
    ]
    assert len({base, *others}) == len(others) + 1
    with change_flags(floatX="float32"):
        assert key_of([x], x * 2 + 1) != base


class Doubled(Op):
    """Twice its operand."""

    __props__ = ()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return symc.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage, params=None):
        output_storage[0][0] = 2 * inputs[0]


class Tripled(symc.scalar.UnaryScalarOp):
    """A scalar op whose code may change under the same version."""

    def impl(self, x):
        return 3 * x

    def c_code(self, node, name, inputs, outputs, sub):
        return f"{outputs[0]} = 3 * {inputs[0]};"

    def c_code_cache_version(self):
        return (1,)


class OwnDot(T.Dot):
    """An op that may override what it has from one of symc's."""


class OwnPart(symc.OpFromGraph):
    """The same for an op that says its key itself."""


@needs_compiler
def test_there_is_no_plan_for_ops_made_of_symcs_own_classes() -> None:
    x = T.dvector("x")
    record = ScalarOp(
        "thrice", 1, out="float", kinds="f", numpy=lambda v: 3 * v, c="(3 * {0})"
    )
    scalar = Tripled(symc.scalar.upgrade_to_float, name="tripled")
    for op in (record, scalar):
        assert key_of([x], T.Elemwise(op)(x)) is None
    looped, _ = symc.scan(lambda v: T.Elemwise(scalar)(v), [T.stack([x, x])])
    assert key_of([x], looped) is None
    assert key_of([x], OwnDot()(x, x)) is None
    assert key_of([x], OwnPart([x], [2 * x])(x)) is None
    assert key_of([x], symc.OpFromGraph([x], [2 * x])(x)) is not None


@needs_compiler
def test_constants_that_can_not_be_pickled_are_no_obstacle() -> None:
    x = T.dvector("x")

    @symc.compile.as_op(itypes=[T.dvector, symc.gof.generic], otypes=[T.dvector])
    def applied(value, function):
        return function(value)

    doubling = symc.gof.Constant(symc.gof.generic, lambda v: 2 * v)
    with change_flags(cache_plans=True):
        f = symc.function([x], applied(x, doubling))
    np.testing.assert_array_equal(f(np.arange(3.0)), [0, 2, 4])


@needs_compiler
def test_there_is_no_plan_where_something_of_the_users_takes_part() -> None:
    x = T.dvector("x")
    assert key_of([x], Doubled()(x)) is None
    looped, _ = symc.scan(lambda v: Doubled()(v), [T.stack([x, x])])
    assert key_of([x], looped) is None
    assert key_of([x], x + np.ones(1 << 18)) is None  # the constant is larger than what it saves
    assert key_of([x], x + 1, mode=symc.compile.MonitorMode()) is None
    pattern = symc.gof.PatternSub((T.sin, (T.cos, "a")), (T.cos, "a"), name="made_for_this_test")
    symc.gof.optdb.optdb["canonicalize"].register("made_for_this_test", pattern, "fast_run")
    try:
        assert key_of([x], x + 1) is None
    finally:
        symc.gof.optdb.optdb["canonicalize"].unregister("made_for_this_test")
    assert key_of([x], x + 1) is not None
