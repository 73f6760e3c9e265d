"""The operands of a loop under Theano's names of their kinds.

============  =====================================================================
Theano        here
============  =====================================================================
``seqs``      sequences
``mitsot``    recurrences that see other rows than the one before
``sitsot``    recurrences that see the row before only
``nitsot``    results, which are only collected
``shared``    states, of which only the last value is kept
``non_seqs``  constants
``mitmot``    nothing: gradients that are summed from step to step are states
============  =====================================================================

``inner_*`` takes the inner inputs (or, ending in ``_outs``, outputs), ``outer_*`` the operands (or
outputs) of a node; a node or the op itself stands for its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...graph.node import Apply

__all__ = ["ScanAccessors"]


class ScanAccessors:
    """Mixin of `Scan`."""

    info: Any
    inputs: list[Any]
    outputs: list[Any]
    split_operands: Callable[..., Any]
    split_results: Callable[..., Any]

    def _inner_in(self, given: Any) -> tuple[list[Any], list[list[Any]], list[Any], list[Any]]:
        rest = list(self.inputs if given is None or isinstance(given, Apply) else given)
        taken: list[Any] = []
        info = self.info
        for count in (info.sequences, *map(len, info.taps), info.states):
            taken.append(rest[:count])
            del rest[:count]
        return taken[0], taken[1:-1], taken[-1], rest

    def _inner_out(self, given: Any) -> tuple[list[Any], list[Any], list[Any]]:
        outs = list(self.outputs if given is None or isinstance(given, Apply) else given)
        a = self.info.recurrences
        b = a + self.info.results
        return outs[:a], outs[a:b], outs[b : b + self.info.states]

    def _outer_in(self, given: Any) -> tuple[Any, list[Any], list[Any], list[Any], list[Any]]:
        found: tuple[Any, list[Any], list[Any], list[Any], list[Any]]
        found = self.split_operands(given.inputs if isinstance(given, Apply) else given)
        return found

    def _outer_out(self, given: Any) -> tuple[list[Any], list[Any], list[Any], Any]:
        found: tuple[list[Any], list[Any], list[Any], Any]
        found = self.split_results(given.outputs if isinstance(given, Apply) else given)
        return found

    def _recurrences(self, items: Sequence[Any], single: bool) -> list[Any]:
        """Those of the recurrences with the tap -1 only, or the others."""
        pairs = zip(items, self.info.taps, strict=True)
        return [item for item, taps in pairs if (tuple(taps) == (-1,)) is single]

    # ---- counts and taps

    @property
    def n_seqs(self) -> int:
        """Number of sequences."""
        return int(self.info.sequences)

    @property
    def n_mit_sot(self) -> int:
        """Number of recurrences with other taps than -1."""
        return len(self.mitsot_taps())

    @property
    def n_sit_sot(self) -> int:
        """Number of recurrences with the tap -1."""
        return int(self.info.recurrences) - self.n_mit_sot

    @property
    def n_nit_sot(self) -> int:
        """Number of results that are only collected."""
        return int(self.info.results)

    @property
    def n_shared_outs(self) -> int:
        """Number of states."""
        return int(self.info.states)

    @property
    def n_mit_mot(self) -> int:
        """Always 0."""
        return 0

    @property
    def as_while(self) -> bool:
        """Whether the loop has a condition."""
        return bool(self.info.until)

    @property
    def truncate_gradient(self) -> int:
        """Over how many steps the gradient goes back; -1: all."""
        return int(self.info.truncate)

    def mitsot_taps(self) -> list[list[int]]:
        """Return the taps of each recurrence that has others than -1."""
        return [list(t) for t in self._recurrences(self.info.taps, single=False)]

    def mitmot_taps(self) -> list[list[int]]:
        """Return an empty list."""
        return []

    def mitmot_out_taps(self) -> list[list[int]]:
        """Return an empty list."""
        return []

    # ---- inside

    def inner_seqs(self, list_inputs: Any = None) -> list[Any]:
        """Return the elements of the sequences."""
        return self._inner_in(list_inputs)[0]

    def inner_mitsot(self, list_inputs: Any = None) -> list[Any]:
        """Return the rows of recurrences with other taps than -1, tap by tap."""
        groups = self._recurrences(self._inner_in(list_inputs)[1], single=False)
        return [row for group in groups for row in group]

    def inner_sitsot(self, list_inputs: Any = None) -> list[Any]:
        """Return the rows of recurrences with the tap -1."""
        groups = self._recurrences(self._inner_in(list_inputs)[1], single=True)
        return [row for group in groups for row in group]

    def inner_shared(self, list_inputs: Any = None) -> list[Any]:
        """Return the states."""
        return self._inner_in(list_inputs)[2]

    def inner_non_seqs(self, list_inputs: Any = None) -> list[Any]:
        """Return the constants."""
        return self._inner_in(list_inputs)[3]

    def inner_mitmot(self, list_inputs: Any = None) -> list[Any]:
        """Return an empty list."""
        return []

    def inner_mitsot_outs(self, list_outputs: Any = None) -> list[Any]:
        """Return the new rows of recurrences with other taps than -1."""
        return self._recurrences(self._inner_out(list_outputs)[0], single=False)

    def inner_sitsot_outs(self, list_outputs: Any = None) -> list[Any]:
        """Return the new rows of recurrences with the tap -1."""
        return self._recurrences(self._inner_out(list_outputs)[0], single=True)

    def inner_nitsot_outs(self, list_outputs: Any = None) -> list[Any]:
        """Return what is only collected."""
        return self._inner_out(list_outputs)[1]

    def inner_shared_outs(self, list_outputs: Any = None) -> list[Any]:
        """Return the new states."""
        return self._inner_out(list_outputs)[2]

    def inner_mitmot_outs(self, list_outputs: Any = None) -> list[Any]:
        """Return an empty list."""
        return []

    # ---- outside

    def outer_seqs(self, list_inputs: Any) -> list[Any]:
        """Return the sequences."""
        return self._outer_in(list_inputs)[1]

    def outer_mitsot(self, list_inputs: Any) -> list[Any]:
        """Return the first rows of recurrences with other taps than -1."""
        return self._recurrences(self._outer_in(list_inputs)[2], single=False)

    def outer_sitsot(self, list_inputs: Any) -> list[Any]:
        """Return the first rows of recurrences with the tap -1."""
        return self._recurrences(self._outer_in(list_inputs)[2], single=True)

    def outer_nitsot(self, list_inputs: Any) -> list[Any]:
        """Return the number of steps once for each result, as Theano's op takes it."""
        return [self._outer_in(list_inputs)[0]] * self.n_nit_sot

    def outer_shared(self, list_inputs: Any) -> list[Any]:
        """Return the first states."""
        return self._outer_in(list_inputs)[3]

    def outer_non_seqs(self, list_inputs: Any) -> list[Any]:
        """Return the constants."""
        return self._outer_in(list_inputs)[4]

    def outer_mitmot(self, list_inputs: Any) -> list[Any]:
        """Return an empty list."""
        return []

    def outer_mitsot_outs(self, list_outputs: Any) -> list[Any]:
        """Return the rows of recurrences with other taps than -1, the first ones included."""
        return self._recurrences(self._outer_out(list_outputs)[0], single=False)

    def outer_sitsot_outs(self, list_outputs: Any) -> list[Any]:
        """Return the rows of recurrences with the tap -1, the first one included."""
        return self._recurrences(self._outer_out(list_outputs)[0], single=True)

    def outer_nitsot_outs(self, list_outputs: Any) -> list[Any]:
        """Return what was collected."""
        return self._outer_out(list_outputs)[1]

    def outer_shared_outs(self, list_outputs: Any) -> list[Any]:
        """Return the last states."""
        return self._outer_out(list_outputs)[2]

    def outer_mitmot_outs(self, list_outputs: Any) -> list[Any]:
        """Return an empty list."""
        return []
