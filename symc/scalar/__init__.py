"""Scalar ops and scalar expressions: what one element is.

Importing the package registers all records.
"""

from . import arith, complex, composite, evaluate, logic, math, random, simplify, special
