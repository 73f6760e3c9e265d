"""The random number generator that weights and the seeds of symbolic streams come from.

One generator, so that one seed makes a whole program reproducible.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["get_rng", "set_rng"]

_current: list[Any] = [np.random]


def get_rng() -> Any:
    """Return the generator: NumPy's global one, unless `set_rng` has set another.

    Returns
    -------
    numpy.random.RandomState or module
        Something with the methods of `numpy.random.RandomState`.
    """
    return _current[0]


def set_rng(new_rng: Any) -> None:
    """Let weights and the seeds of symbolic streams come from `new_rng`.

    Parameters
    ----------
    new_rng : numpy.random.RandomState
        Or the module `numpy.random`, to go back to NumPy's global generator.

    Examples
    --------
    >>> import numpy as np
    >>> set_rng(np.random.RandomState(1))
    >>> get_rng().randint(100)
    37
    >>> set_rng(np.random)
    """
    _current[0] = new_rng
