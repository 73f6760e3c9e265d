"""``pfunc`` and parameters of functions, under Theano's module name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph.node import Variable
from .function import Function, function
from .inputs import In

__all__ = ["Param", "pfunc"]


class Param(In):
    """An input of a function, with a default.

    Parameters
    ----------
    variable : Variable
    default : object, optional
        Its value where a call gives none.
    name, mutable, strict, allow_downcast, implicit, borrow : optional
        As for `In`.
    """

    def __init__(
        self,
        variable: Variable,
        default: Any = None,
        name: str | None = None,
        mutable: bool = False,
        strict: bool = False,
        allow_downcast: bool | None = None,
        implicit: bool | None = None,
        borrow: bool | None = None,
    ) -> None:
        super().__init__(
            variable,
            name=name,
            value=default,
            mutable=mutable or None,
            strict=strict,
            allow_downcast=allow_downcast,
            implicit=implicit,
            borrow=borrow,
        )


def pfunc(
    params: Sequence[Any],
    outputs: Any = None,
    mode: Any = None,
    updates: Any = None,
    givens: Any = None,
    no_default_updates: Any = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
    output_keys: Sequence[str] | None = None,
) -> Function:
    """Compile a graph; `symc.function` with its inputs under another name.

    Parameters
    ----------
    params : list of Variable, In or Param
    output_keys : list of str, optional
        Makes a call return a dict with these keys.
    outputs, mode, updates, ... :
        As for `symc.function`.
    """
    if output_keys is not None:
        outputs = dict(zip(output_keys, outputs, strict=True))
    return function(
        list(params),
        outputs,
        mode=mode,
        updates=updates,
        givens=givens,
        no_default_updates=no_default_updates,
        accept_inplace=accept_inplace,
        name=name,
        rebuild_strict=rebuild_strict,
        allow_input_downcast=allow_input_downcast,
        profile=profile,
        on_unused_input=on_unused_input,
    )
