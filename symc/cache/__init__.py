"""``symc cache``: look at the cache of compiled programs, and empty it."""

from .command import add_parser

__all__ = ["add_parser"]
