"""Which optimisation a text is worth.

Measured with gcc 12 on row softmax over 2000 x 2000 floats and its kin: ``-O2`` with ``omp simd``
loops runs as fast as ``-O3`` or faster (2.8 against 4.8 ms: ``-O3`` unrolls the lane loops) and
compiles in half the time; ``-O1`` loses up to a quarter in loops, and nothing that matters in
straight-line code, which it compiles in a fraction of the time. Kernels that leave their functions
to C functions for strips run as fast with ``-O1`` (162 against 166 us for a chain of 1,000 nodes
and its gradient) and compile in less time; their loops over one array and a few operands need no
search for induction variables, which takes an eighth of that. Their strips are short, so what is
left of a loop after whole vectors is vectorised there (160 against 168 us); elsewhere it is not,
for the compiler's time.
"""

from __future__ import annotations

STRAIGHT_LINE = 200
"""Statements of a function from which heavy optimisation costs more than it gives."""


def level_for(statements: int, strips: bool = False) -> str:
    """The optimisation options for a text, in one string.

    Parameters
    ----------
    statements : int
        Length of its longest function.
    strips : bool
        Whether it applies functions to strips by calls.
    """
    if strips:
        return "-O1 -fno-ivopts --param=vect-epilogues-nomask=1"
    return "-O2" if statements <= STRAIGHT_LINE else "-O1"
