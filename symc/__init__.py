"""symc: a symbolic expression compiler with Theano's vocabulary."""

__version__ = "0.1.0"
