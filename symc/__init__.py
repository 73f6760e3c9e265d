"""symc: a symbolic expression compiler with Theano's vocabulary."""

from symc import errors
from symc.config import change_flags, config

__version__ = "0.1.0"

__all__ = ["__version__", "change_flags", "config", "errors"]
