"""``symc.tests.unittest_tools``: what tests of ops need, by Theano's names."""

from __future__ import annotations

import unittest
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array.type import TensorType
from ..compile.function import function
from ..compile.mode import get_default_mode
from ..config import config
from ..gradient import verify_grad as _verify_grad

__all__ = [
    "AttemptManyTimes",
    "InferShapeTester",
    "WrongValue",
    "assert_allclose",
    "fetch_seed",
    "seed_rng",
    "str_diagnostic",
    "verify_grad",
]

_DEFAULT_SEED = 666


def fetch_seed(pseed: int | None = None) -> int:
    """Return the seed of random tests.

    Parameters
    ----------
    pseed : int, optional
        The seed, unless the flag ``unittests.rseed`` names another: a number, or ``"random"``.
    """
    wanted = str(config.unittests.rseed)
    if wanted == "random":
        return int(np.random.default_rng().integers(2**31))
    if pseed is not None and wanted in ("", str(_DEFAULT_SEED)):
        return pseed
    return int(wanted or _DEFAULT_SEED)


def seed_rng(pseed: int | None = None) -> int:
    """Seed NumPy's global generator; returns the seed, see `fetch_seed`."""
    seed = fetch_seed(pseed)
    np.random.seed(seed)
    return seed


def verify_grad(
    op: Callable[..., Any], pt: Sequence[Any], n_tests: int = 2, rng: Any = None, **kwargs: Any
) -> None:
    """Compare symbolic gradients with finite differences; see `symc.gradient.verify_grad`.

    Without `rng` the random projections come from `fetch_seed`.
    """
    generator = np.random.RandomState(fetch_seed()) if rng is None else rng
    _verify_grad(op, pt, n_tests, generator, **kwargs)


class WrongValue(AssertionError):  # noqa: N818 - Theano's name
    """Two arrays that should be equal differ.

    Parameters
    ----------
    expected_val, val : array_like
    rtol, atol : float
    """

    def __init__(self, expected_val: Any, val: Any, rtol: float, atol: float) -> None:
        super().__init__(str_diagnostic(expected_val, val, rtol, atol))
        self.val1 = expected_val
        self.val2 = val
        self.rtol = rtol
        self.atol = atol


def str_diagnostic(expected: Any, value: Any, rtol: float, atol: float) -> str:
    """Return in what two arrays differ: dtypes, shapes, and the largest differences."""
    a, b = np.asarray(expected), np.asarray(value)
    lines = [
        "the values differ",
        f"  expected: dtype {a.dtype}, shape {a.shape}, strides {a.strides}",
        f"  got: dtype {b.dtype}, shape {b.shape}, strides {b.strides}",
    ]
    if a.shape == b.shape and a.size:
        difference = np.abs(a.astype("complex128") - b.astype("complex128"))
        relative = difference / np.maximum(np.abs(a), np.finfo("float64").tiny)
        lines.append(f"  largest absolute difference: {np.nanmax(difference)}")
        lines.append(f"  largest relative difference: {np.nanmax(relative)}")
    return "\n".join([*lines, f"  rtol, atol: {rtol}, {atol}"])


def assert_allclose(
    expected: Any, value: Any, rtol: float | None = None, atol: float | None = None
) -> None:
    """Raise `WrongValue` unless two arrays are equal up to rounding in their dtypes.

    Parameters
    ----------
    expected, value : array_like
        NaNs at the same places are equal.
    rtol, atol : float, optional
        By default those of ``TensorType.values_eq_approx`` for the dtypes.
    """
    a, b = np.asarray(expected), np.asarray(value)
    if a.shape != b.shape:
        raise WrongValue(expected, value, rtol or 0.0, atol or 0.0)
    kind = TensorType(np.result_type(a, b), (False,) * a.ndim)
    a, b = a.astype(kind.dtype), b.astype(kind.dtype)
    if not kind.values_eq_approx(a, b, rtol=rtol, atol=atol):
        raise WrongValue(expected, value, rtol or 0.0, atol or 0.0)


class InferShapeTester(unittest.TestCase):
    """Base of tests that an op's shapes are found without computing the op."""

    def setUp(self) -> None:
        """Seed the generator."""
        seed_rng()
        self.mode = get_default_mode()

    def _compile_and_check(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        numeric_inputs: Sequence[Any],
        cls: Any,
        excluding: Sequence[str] | None = None,
        warn: bool = True,
        check_topo: bool = True,
    ) -> None:
        """Compare inferred shapes with those of the values.

        Parameters
        ----------
        inputs, outputs : sequence of Variable
        numeric_inputs : sequence
            Values of the inputs; best with lengths that are all different.
        cls : type or tuple of type
            The class of the op, which may not be in the graph of the shapes.
        excluding : sequence of str, optional
            Rules that are left out.
        warn : bool
            Whether to warn if lengths are equal, so that swapped axes would not be noticed.
        check_topo : bool
            Whether to look for the op.
        """
        mode = self.mode.excluding(*excluding) if excluding else self.mode
        lengths = [n for v in numeric_inputs for n in np.shape(v)]
        if warn and len(set(lengths)) < len(lengths):
            warnings.warn(f"lengths are equal, swapped axes go unnoticed: {lengths}", stacklevel=2)
        compute = function(inputs, outputs, mode=mode, on_unused_input="ignore")
        shapes = function(inputs, [o.shape for o in outputs], mode=mode, on_unused_input="ignore")
        if check_topo:
            present = [n.op for n in shapes.maker.fgraph.toposort() if isinstance(n.op, cls)]
            if present:
                raise AssertionError(f"{present} is computed only to know shapes")
        values = compute(*numeric_inputs)
        for value, shape in zip(values, shapes(*numeric_inputs), strict=True):
            if np.shape(value) != tuple(shape):
                raise AssertionError(f"the shape {np.shape(value)} was inferred as {tuple(shape)}")


class AttemptManyTimes:
    """Decorate a test that may fail by chance: it is run with several seeds.

    Parameters
    ----------
    n_attempts : int
    n_req_successes : int
        How many attempts must succeed.
    """

    def __init__(self, n_attempts: int, n_req_successes: int = 1) -> None:
        if not 1 <= n_req_successes <= n_attempts:
            raise ValueError(f"{n_req_successes} successes of {n_attempts} attempts are impossible")
        self.n_attempts = n_attempts
        self.n_req_successes = n_req_successes

    def __call__(self, test: Callable[..., None]) -> Callable[..., None]:
        """Return the test that tries several times."""

        def attempt(*args: Any, **kwargs: Any) -> None:
            successes = 0
            for number in range(self.n_attempts):
                np.random.seed(fetch_seed() + number)
                try:
                    test(*args, **kwargs)
                except AssertionError:
                    left = self.n_attempts - number - 1
                    if successes + left < self.n_req_successes:
                        raise
                    continue
                successes += 1
                if successes == self.n_req_successes:
                    return

        attempt.__name__ = getattr(test, "__name__", "attempt")
        attempt.__doc__ = test.__doc__
        return attempt
