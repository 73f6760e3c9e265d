"""Rewriting: from the user's graph to one that is cheaper and numerically better.

`optimize` runs the rules; `rule` registers one. See :mod:`symc.rewrite.phases` for what there is.
"""

from . import phases as phases
from .engine import optimize as optimize
from .rule import ANY as ANY
from .rule import all_rules as all_rules
from .rule import graph_pass as graph_pass
from .rule import rule as rule
from .rule import unregister as unregister
