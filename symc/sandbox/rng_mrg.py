"""`MRG_RandomStreams`: the counter-based streams under the interface of Theano's MRG31k3p.

The names are those that old programs use; the generator is Philox, in which every element of a
draw has a stream of its own. So numbers differ from Theano's, and the number of parallel streams,
which Theano's users may give as `nstreams`, has no meaning here. What drives the old generator by
hand (`mrg_uniform`, the states of its streams) is MRG31k3p itself, see `symc.ops.random.mrg`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..compile.streams import RandomStreams
from ..errors import user_message
from ..graph.node import Variable
from ..ops.random import mrg
from ..ops.random.mrg import (  # noqa: F401 - re-exported
    M1,
    M2,
    MASK2,
    MASK12,
    MASK13,
    MULT2,
    NORM,
    A1p0,
    A1p72,
    A1p134,
    A2p0,
    A2p72,
    A2p134,
    DotModulo,
    ff_2p72,
    ff_2p134,
    matVecModM,
    mrg_next_value,
    mrg_uniform,
    mrg_uniform_base,
    multMatVect,
)
from ..ops.random.state import RandomState

__all__ = [*mrg.__all__, "MRG_RandomStreams", "guess_n_streams"]

LEAST_STREAMS, MOST_STREAMS = 1, 60 * 256


def guess_n_streams(size: Any, warn: bool = False) -> int:
    """Return Theano's guess of a good number of parallel streams for a draw of this size.

    Parameters
    ----------
    size : sequence of int, or symbolic
    warn : bool
        Has no effect.
    """
    del warn
    if isinstance(size, (list, tuple)) and all(isinstance(n, (int, np.integer)) for n in size):
        number = int(np.prod(size, dtype=np.int64)) if size else 1
        return max(LEAST_STREAMS, min(number, MOST_STREAMS))
    return MOST_STREAMS


def _check_streams(nstreams: Any) -> None:
    whole = isinstance(nstreams, (int, np.integer))
    if nstreams is None or isinstance(nstreams, Variable) or (whole and nstreams >= 1):
        return
    raise ValueError(user_message("nstreams is a number of streams", got=repr(nstreams)[:100]))


def _with_nstreams(name: str) -> Callable[..., Any]:
    """The method of `RandomStreams`, with one parameter more that is only checked."""
    method = getattr(RandomStreams, name)

    @functools.wraps(method)
    def own(self: MRG_RandomStreams, *args: Any, nstreams: Any = None, **kwargs: Any) -> Any:
        _check_streams(nstreams)
        return method(self, *args, **kwargs)

    return own


class MRG_RandomStreams(RandomStreams):  # noqa: N801 - the name that users know
    """Random streams of seed 12345 by default.

    Parameters
    ----------
    seed : int or sequence of 6 int
    use_cuda : bool, optional
        Has no effect.

    Attributes
    ----------
    rstate : ndarray of int64
        The six numbers that stand for the seed.
    """

    def __init__(self, seed: Any = 12345, use_cuda: Any = None) -> None:
        del use_cuda
        super().__init__(seed)
        self._substreams: dict[int, int] = {}
        self.set_rstate(self.default_instance_seed)

    def set_rstate(self, seed: Any) -> None:
        """Take a seed, one integer or six, for the draws that are made from now on.

        Raises
        ------
        TypeError
            If it is not made of integers.
        ValueError
            If there are neither one nor six.
        """
        RandomState(seed)  # refuses what is not made of integers
        numbers = [int(n) for n in seed] if isinstance(seed, Iterable) else [int(seed)] * 6
        if len(numbers) != 6:
            raise ValueError(
                user_message("a seed is one integer or six", got=f"{len(numbers)} of them")
            )
        self.rstate = np.array([n % 2**63 for n in numbers], np.int64)

    def seed(self, seed: Any = None) -> None:
        """Start all streams made so far again, from `seed` or from the one given at first."""
        self.set_rstate(self.default_instance_seed if seed is None else seed)
        super().seed(seed)

    def _new_state(self, number: int) -> Any:
        streams = self._substreams.get(number)
        if streams is not None:
            return self.get_substream_rstates(streams, "float64")
        return RandomState(self.rstate, number)

    def _own_state(self) -> np.ndarray[Any, Any]:
        """`rstate` as a state of MRG31k3p, whose halves lie below its moduli and are not all 0."""
        state = self.rstate.reshape(2, 3) % np.array([[int(M1)], [int(M2)]])
        state[:, 2] += ~state.any(axis=1)
        return state.reshape(6)

    def inc_rstate(self) -> None:
        """Go on to other streams: draws made from now on differ from those that would have come."""
        self.rstate = ff_2p134(self._own_state()).astype(np.int64)

    def get_substream_rstates(
        self, n_streams: int, dtype: Any, inc_rstate: bool = True
    ) -> np.ndarray[Any, Any]:
        """Return states for `mrg_uniform`, int32 of shape (n_streams, 6), 2**72 steps apart.

        Parameters
        ----------
        n_streams : int
        dtype : str
            Of the draws to be made; has no effect on the states.
        inc_rstate : bool
            Whether the next call returns other states.
        """
        del dtype
        if n_streams < 1:
            raise ValueError(user_message("n_streams is a number of streams", got=str(n_streams)))
        rows = [self._own_state().astype(np.int32)]
        for _ in range(int(n_streams) - 1):
            rows.append(ff_2p72(rows[-1]))
        if inc_rstate:
            self.inc_rstate()
        return np.array(rows)

    def pretty_return(
        self, node_rstate: Any, new_rstate: Any, sample: Any, size: Any, nstreams: Any
    ) -> Any:
        """Make a draw of `mrg_uniform` one of these streams' draws, and return it.

        Parameters
        ----------
        node_rstate : shared variable
            The states, from `get_substream_rstates`.
        new_rstate, sample : variable
            What `mrg_uniform` gives.
        size, nstreams
            Of the draw; the number of states by default.
        """
        del size
        given = node_rstate.get_value(borrow=True).shape[0] if nstreams is None else nstreams
        self._substreams[len(self.state_updates)] = int(given)
        sample.rstate = node_rstate
        return self._kept(node_rstate, new_rstate, sample)

    def n_streams(self, size: Any) -> int:
        """Return Theano's guess of a number of streams; see `guess_n_streams`."""
        return guess_n_streams(size)

    uniform = _with_nstreams("uniform")
    truncated_normal = _with_nstreams("truncated_normal")
    binomial = _with_nstreams("binomial")
    multinomial = _with_nstreams("multinomial")
    multinomial_wo_replacement = _with_nstreams("multinomial_wo_replacement")

    def normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
        nstreams: Any = None,
        truncate: bool = False,
    ) -> Any:
        """Draw normal numbers; with `truncate` those within two standard deviations."""
        _check_streams(nstreams)
        draw = super().truncated_normal if truncate else super().normal
        return draw(size, avg, std, ndim, dtype)

    def choice(
        self,
        size: Any = 1,
        a: Any = None,
        replace: bool = True,
        p: Any = None,
        ndim: int | None = None,
        dtype: str | None = "int64",
        nstreams: Any = None,
    ) -> Any:
        """Draw by each row of probabilities `p`: `size` elements of `a`, or of 0 ... a - 1.

        With a matrix `p` of shape (rows, n) the result has shape (rows, size).
        """
        _check_streams(nstreams)
        return super().choice(size, a, replace, p, ndim, dtype)
