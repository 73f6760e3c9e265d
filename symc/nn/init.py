"""Initial values of parameters: functions from a shape to an array of dtype ``config.floatX``.

Those with parameters are classes, so that networks can be pickled; any callable that takes a shape
does as well, and `initializer` makes a class of a function with hyperparameters.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symc.nn.random import get_rng
from symc.nn.utils import floatX

__all__ = [
    "Constant",
    "Glorot",
    "GlorotNormal",
    "GlorotUniform",
    "He",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "Normal",
    "Orthogonal",
    "Sparse",
    "Uniform",
    "initializer",
]


class Initializer:
    """What makes arrays of a given shape; subclasses write `sample`."""

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        return self.sample(shape)

    def sample(self, shape: Sequence[int]) -> np.ndarray:
        """Return an array.

        Parameters
        ----------
        shape : tuple of int

        Returns
        -------
        numpy.ndarray
            Of `shape` and dtype ``config.floatX``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method sample")


class Normal(Initializer):
    """Independent normal values.

    Parameters
    ----------
    std, mean : float
    """

    def __init__(self, std: float = 0.01, mean: float = 0.0) -> None:
        self.std = std
        self.mean = mean

    def sample(self, shape: Sequence[int]) -> np.ndarray:
        """Return an array of independent normal values."""
        return floatX(get_rng().normal(self.mean, self.std, size=tuple(shape)))


class Uniform(Initializer):
    """Independent uniform values.

    Parameters
    ----------
    range : float or (float, float)
        Bounds; a number stands for ``(-range, range)``. Not used where `std` is given.
    std : float, optional
        Standard deviation, around `mean`.
    mean : float
        Only used with `std`.
    """

    def __init__(self, range: Any = 0.01, std: float | None = None, mean: float = 0.0) -> None:
        if std is not None:
            half = float(np.sqrt(3) * std)
            low, high = mean - half, mean + half
        else:
            low, high = range if np.ndim(range) else (-range, range)
        self.range = (low, high)

    def sample(self, shape: Sequence[int]) -> np.ndarray:
        """Return an array of independent uniform values."""
        return floatX(get_rng().uniform(*self.range, size=tuple(shape)))


def _fans(shape: Sequence[int], c01b: bool, who: str) -> tuple[float, float]:
    """How many inputs an output depends on, and the other way round."""
    if len(shape) < 2:
        raise ValueError(
            f"{who} needs to know how many inputs and outputs a unit has, which a parameter of "
            f"shape {tuple(shape)} does not say; use Normal or Uniform, or at least two dimensions"
        )
    if c01b:
        if len(shape) != 4:
            raise ValueError(f"with c01b=True {who} needs 4 dimensions, got shape {tuple(shape)}")
        inputs, outputs, field = shape[0], shape[3], shape[1:3]
    else:
        inputs, outputs, field = shape[0], shape[1], shape[2:]
        if field:  # filters have the outputs first
            inputs, outputs = outputs, inputs
    points = float(np.prod(field))
    return inputs * points, outputs * points


def _gain(gain: Any) -> float:
    if gain == "relu":
        return float(np.sqrt(2))
    if isinstance(gain, str):
        raise ValueError(f"a gain is a number or 'relu', got {gain!r}")
    return float(gain)


class Glorot(Initializer):
    """Values with standard deviation ``gain * sqrt(2 / (fan_in + fan_out))``.

    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural
    networks", equation 12. The fans of weights ``(inputs, outputs)`` are these lengths; those of
    filters ``(outputs, inputs, ...)`` are multiplied by the size of the receptive field.

    Parameters
    ----------
    initializer : class
        `Normal` or `Uniform`, or another class that takes ``std=``.
    gain : float or 'relu'
        Factor for the nonlinearity that follows; 'relu' stands for ``sqrt(2)``.
    c01b : bool
        Whether filters lie as (inputs, rows, columns, outputs).

    Raises
    ------
    ValueError
        If the shape has fewer than two dimensions, or does not fit `c01b`.
    """

    def __init__(self, initializer: type, gain: Any = 1.0, c01b: bool = False) -> None:
        self.initializer = initializer
        self.gain = _gain(gain)
        self.c01b = c01b

    def sample(self, shape: Sequence[int]) -> np.ndarray:
        """Return an array whose scale fits `shape`."""
        fan_in, fan_out = _fans(shape, self.c01b, type(self).__name__)
        return self.initializer(std=self.gain * np.sqrt(2.0 / (fan_in + fan_out))).sample(shape)


class GlorotNormal(Glorot):
    """`Glorot` with normal values."""

    def __init__(self, gain: Any = 1.0, c01b: bool = False) -> None:
        super().__init__(Normal, gain, c01b)


class GlorotUniform(Glorot):
    """`Glorot` with uniform values: bounds ``gain * sqrt(6 / (fan_in + fan_out))``."""

    def __init__(self, gain: Any = 1.0, c01b: bool = False) -> None:
        super().__init__(Uniform, gain, c01b)


class He(Initializer):
    """Values with standard deviation ``gain * sqrt(1 / fan_in)``.

    He, Zhang, Ren and Sun 2015, "Delving deep into rectifiers": with the gain ``sqrt(2)`` of
    rectifiers, equation 10.

    Parameters
    ----------
    initializer, gain, c01b
        As for `Glorot`.
    """

    def __init__(self, initializer: type, gain: Any = 1.0, c01b: bool = False) -> None:
        self.initializer = initializer
        self.gain = _gain(gain)
        self.c01b = c01b

    def sample(self, shape: Sequence[int]) -> np.ndarray:
        """Return an array whose scale fits `shape`."""
        fan_in, _ = _fans(shape, self.c01b, type(self).__name__)
        return self.initializer(std=self.gain * np.sqrt(1.0 / fan_in)).sample(shape)


class HeNormal(He):
    """`He` with normal values."""

    def __init__(self, gain: Any = 1.0, c01b: bool = False) -> None:
        super().__init__(Normal, gain, c01b)


class HeUniform(He):
    """`He` with uniform values."""

    def __init__(self, gain: Any = 1.0, c01b: bool = False) -> None:
        super().__init__(Uniform, gain, c01b)


class Constant(Initializer):
    """The same value everywhere.

    Parameters
    ----------
    val : float
    """

    def __init__(self, val: float = 0.0) -> None:
        self.val = val

    def sample(self, shape: Sequence[int]) -> np.ndarray:
        """Return an array of one value."""
        return floatX(np.full(tuple(shape), self.val))


class Sparse(Initializer):
    """Normal values in some rows of each column, and zeros elsewhere.

    Martens 2010, "Deep learning via Hessian-free optimization", section 5.

    Parameters
    ----------
    sparsity : float
        Part of each column that is *not* zero.
    std : float

    Raises
    ------
    ValueError
        For shapes that are not two-dimensional.
    """

    def __init__(self, sparsity: float = 0.1, std: float = 0.01) -> None:
        self.sparsity = sparsity
        self.std = std

    def sample(self, shape: Sequence[int]) -> np.ndarray:
        """Return a matrix."""
        if len(shape) != 2:
            raise ValueError(f"sparse initial values need two dimensions, got shape {tuple(shape)}")
        rows, columns = shape
        values = np.zeros((rows, columns))
        count = int(self.sparsity * rows)
        rng = get_rng()
        for column in range(columns):
            chosen = rng.permutation(rows)[:count]
            values[chosen, column] = rng.normal(0.0, self.std, size=count)
        return floatX(values)


class Orthogonal(Initializer):
    """A matrix with orthonormal rows or columns, whichever are fewer, times `gain`.

    Saxe, McClelland and Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks". Axes after the first count as one.

    Parameters
    ----------
    gain : float or 'relu'

    Raises
    ------
    ValueError
        For shapes with fewer than two dimensions.
    """

    def __init__(self, gain: Any = 1.0) -> None:
        self.gain = _gain(gain)

    def sample(self, shape: Sequence[int]) -> np.ndarray:
        """Return an orthogonal matrix in `shape`."""
        if len(shape) < 2:
            raise ValueError(
                f"orthogonal initial values need two or more dimensions, got shape {tuple(shape)}"
            )
        rows, columns = shape[0], int(np.prod(shape[1:]))
        left, _, right = np.linalg.svd(get_rng().normal(size=(rows, columns)), full_matrices=False)
        basis = left if left.shape == (rows, columns) else right
        return floatX(self.gain * basis.reshape(tuple(shape)))


class _OfFunction(Initializer):
    """An initializer that a function with hyperparameters stands behind."""

    function: Callable[..., Any]

    def __init__(self, **hyperparameters: Any) -> None:
        taken = inspect.signature(type(self).function)
        try:
            taken.bind((), **hyperparameters)
        except TypeError as problem:
            raise TypeError(
                f"{type(self).__name__} is made of a function of {taken}; got the hyperparameters "
                f"{sorted(hyperparameters)}: {problem}"
            ) from None
        self.hyperparameters = hyperparameters

    def sample(self, shape: Sequence[int]) -> np.ndarray:
        """Call the function."""
        return floatX(type(self).function(tuple(shape), **self.hyperparameters))


def initializer(function: Callable[..., Any]) -> type[Initializer]:
    """Make a class of initializers from ``function(shape, **hyperparameters)``; a decorator.

    Instances pickle, as long as the decorated name is importable.

    Parameters
    ----------
    function : callable
        Returns an array of the shape.

    Returns
    -------
    class
        Its instances are made with the hyperparameters as keywords; a TypeError says which the
        function does not take, or lacks.

    Examples
    --------
    >>> import numpy as np
    >>> @initializer
    ... def ramp(shape, top=1.0):
    ...     return np.linspace(0, top, np.prod(shape)).reshape(shape)
    >>> ramp(top=3.0)((2, 2)).tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    kept = {name: getattr(function, name) for name in ("__doc__", "__module__", "__qualname__")}
    return type(function.__name__, (_OfFunction,), {"function": staticmethod(function), **kept})
