"""``symc.raise_op``: errors that are raised while a function runs."""

# ruff: noqa: F401 - a namespace re-exports

from .ops.control import Assert, Raise
