"""A tour of symc, from ``x + y`` to C text. Run it: ``python docs/tour.py``.

Every step of the compiler is called by hand, in the order in which ``symc.function`` calls it, and
what it made is looked at. The assertions are the tour's own tests.
"""

# ruff: noqa: N812 - T is the customary name

from __future__ import annotations

import numpy as np

import symc
import symc.tensor as T

# ---------------------------------------------------------------------------------------------
# 1. A graph
# ---------------------------------------------------------------------------------------------
# Variables are typed: a dtype, and for every axis whether its length is 1 for certain. Lengths
# themselves are not part of the type.

x = T.dmatrix("x")
y = T.dvector("y")
z = T.exp(x) * 2 + y

# Nothing has been computed. `z` has an owner, an Apply: an op applied to other variables.

print("z is", z, "of type", z.type)
print("made by", z.owner.op, "from", z.owner.inputs)
assert z.owner.op == T.add
assert z.owner.op.scalar_op.name == "add"

# The vector was given a leading axis by a DimShuffle, so both operands have two axes.

assert [v.ndim for v in z.owner.inputs] == [2, 2]
print(symc.debugprint(z, file="str"))

# ---------------------------------------------------------------------------------------------
# 2. A gradient is more graph
# ---------------------------------------------------------------------------------------------
# Each op builds the graph of its own derivative; `grad` walks backwards and adds up.

cost = T.sum(z**2)
gradient = symc.grad(cost, x)
print("gradient:", symc.pp(gradient))
assert gradient.type == x.type

# ---------------------------------------------------------------------------------------------
# 3. Facts: lengths as expressions
# ---------------------------------------------------------------------------------------------
# How long is z? As long as x and y say. Facts answer with integer expressions over the lengths
# of inputs. That x's second axis is as long as y can't be known now; it is assumed, and the
# assumption is written down. A call that breaks it gets another variant of the function.

from symc.lower.facts import Facts

facts = Facts([x, y])
print("z is", facts.shape(z), "long, assuming", [a.condition for a in facts.assumptions])
assert len(facts.shape(z)) == 2
assert len(facts.assumptions) == 1

# ---------------------------------------------------------------------------------------------
# 4. Rewriting: graph to graph
# ---------------------------------------------------------------------------------------------
# Rules replace what a user wrote by what is better: merged, simplified, stable, specialised.

from symc.rewrite.engine import optimize

optimized = optimize([T.log(1 + T.exp(x))], None)
print("log(1 + exp(x)) became", symc.pp(optimized.outputs[0]))
for firing in optimized.firings:
    print("   ", firing)
assert optimized.outputs[0].owner.op == T.nnet.softplus

# ---------------------------------------------------------------------------------------------
# 5. Lowering: graph to program
# ---------------------------------------------------------------------------------------------
# The lowering says what is computed for one element, collects elements in kernels, decides
# which values get memory, and in what order things happen.

from symc.lower.lower import lower

program = lower([x, y], [z], facts=facts)
print("steps:", [type(step).__name__ for step in program.steps])
(step,) = program.steps
kernel = step.kernel
print("axes:", [(a.key, a.role) for a in kernel.axes])
print("stores:", [s.value for stage in kernel.stages for s in stage.stores])
assert len(program.steps) == 1, "exp, multiplication and addition are one kernel"

# The program has a meaning of its own, which an interpreter defines.

from symc.loop.run import run_program

a, b = np.arange(6.0).reshape(2, 3), np.ones(3)
outputs = run_program(program, [a, b], [])[0]
np.testing.assert_allclose(outputs[0], np.exp(a) * 2 + b)

# ---------------------------------------------------------------------------------------------
# 6. Code: program to C
# ---------------------------------------------------------------------------------------------
# A target chooses loop order, tiles and the vector axis, and prints.

from symc.codegen.program_c import program_source

source = program_source(program)
text = source.units[0].text
print(text)
assert "symc_prologue" in text
assert "sy_exp" in text

# ---------------------------------------------------------------------------------------------
# 7. All of it at once
# ---------------------------------------------------------------------------------------------
# `function` does all this, compiles the text (or finds it in the cache) and loads it.

f = symc.function([x, y], z)
np.testing.assert_allclose(f(a, b), np.exp(a) * 2 + b)

# The same function serves every shape. A column is broadcast, as in NumPy, by another variant.

np.testing.assert_allclose(f(np.ones((4, 1)), b), np.exp(np.ones((4, 1))) * 2 + b)
print(symc.debugprint(f, file="str"))
