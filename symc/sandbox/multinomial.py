"""Categories from probabilities and uniform numbers that the caller brings.

Theano's three ops, as makers of expressions: each is made with the dtype of its result and then
called with matrices. Programs that draw their own numbers use the methods of
`symc.tensor.shared_randomstreams.RandomStreams`.
"""

from __future__ import annotations

from typing import Any

from ..array.convert import as_tensor_variable
from ..errors import user_message
from ..ops.accumulate import cumsum
from ..ops.alloc import arange
from ..ops.elemwise import cast
from ..ops.math import eq
from ..ops.random.parameters import discrete_dtype
from ..ops.random.selection import ChooseCategory
from ..ops.random.successive import TakeCategories
from ..ops.shape import reshape

__all__ = [
    "ChoiceFromUniform",
    "MultinomialFromUniform",
    "MultinomialWOReplacementFromUniform",
]

_choose, _take = ChooseCategory(), TakeCategories()


class _FromUniform:
    """A maker of expressions; `odtype` is the dtype of the result, "auto" that of `pvals`."""

    def __init__(self, odtype: str = "auto") -> None:
        self.odtype = odtype if odtype == "auto" else discrete_dtype(odtype)

    def _arguments(self, pvals: Any, unis: Any, n: Any) -> tuple[Any, Any, Any, str]:
        """The probabilities, a matrix of `n` numbers per row, the count and the dtype."""
        p, u = as_tensor_variable(pvals), as_tensor_variable(unis)
        if p.type.ndim != 2 or u.type.ndim != 1:
            raise TypeError(
                user_message(
                    f"{type(self).__name__} takes a matrix of probabilities and a vector",
                    got=f"{p.type} and {u.type}",
                )
            )
        dtype = p.type.dtype if self.odtype == "auto" else self.odtype
        count = as_tensor_variable(n)
        return p, reshape(u, [count, p.shape[0]], ndim=2).T, count, dtype

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.odtype!r})"


class MultinomialFromUniform(_FromUniform):
    """Counts of categories: ``(pvals, unis, n=1)`` gives a matrix like `pvals`.

    Row r counts in which categories the numbers ``unis[r + k * rows]``, k = 0 ... n - 1, fall.
    """

    def __call__(self, pvals: Any, unis: Any, n: Any = 1) -> Any:
        p, u, _, dtype = self._arguments(pvals, unis, n)
        chosen = _choose(cumsum(p, axis=1), u)
        hits = eq(chosen.dimshuffle(0, 1, "x"), arange(p.shape[1]))
        return cast(hits.sum(axis=1), dtype)


class ChoiceFromUniform(_FromUniform):
    """Categories themselves: ``(pvals, unis, n=1)`` gives a matrix of shape (rows, n).

    Parameters
    ----------
    replace : bool
        Whether a category may be chosen twice. If not, the weight of one that was chosen is 0 for
        the numbers that follow in its row, as if the other weights were divided by their sum.
    odtype : str
        Dtype of the result; "auto" stands for int64.
    """

    def __init__(self, replace: bool = False, odtype: str = "auto") -> None:
        super().__init__("int64" if odtype == "auto" else odtype)
        self.replace = bool(replace)

    def __call__(self, pvals: Any, unis: Any, n: Any = 1) -> Any:
        p, u, _, dtype = self._arguments(pvals, unis, n)
        if self.replace:
            return cast(_choose(cumsum(p, axis=1), u), dtype)
        return cast(_take(p, u), dtype)


class MultinomialWOReplacementFromUniform(ChoiceFromUniform):
    """Different categories: `ChoiceFromUniform` without replacement, under its older name."""

    def __init__(self, odtype: str = "auto") -> None:
        super().__init__(False, odtype)
