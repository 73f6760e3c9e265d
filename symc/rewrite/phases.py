"""The phases, and the files whose rules they run.

The phases on the graph run in the order of :data:`~symc.rewrite.selection.GRAPH_PHASES`; a later
phase's output is never fed back to an earlier one.

=============  ====================================================================================
phase          what it does
=============  ====================================================================================
``fold``       computes what is constant
``canonical``  brings expressions to a defined form, in which the later phases look for theirs
``stable``     replaces what loses precision or overflows by what does not
``scan``       takes loops apart: products leave them, what no one needs goes
``blas``       makes library calls of products and what is added to them
``specialise`` takes cheaper forms
=============  ====================================================================================

Importing this module registers the rules.
"""

from __future__ import annotations

from . import (
    blas,
    cast,
    distribute,
    dots,
    elementwise,
    fold,
    index,
    join,
    pieces,
    products,
    reduce,
    scan,
    scatter,
    shape,
    siblings,
    specialise,
    stable,
    sums,
)

__all__ = ["RULE_FILES"]

RULE_FILES = (
    fold,
    cast,
    elementwise,
    sums,
    products,
    distribute,
    shape,
    index,
    pieces,
    scatter,
    join,
    reduce,
    stable,
    scan,
    siblings,
    dots,
    blas,
    specialise,
)
"""The modules that define rules, by subject."""
