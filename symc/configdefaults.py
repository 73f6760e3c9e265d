"""``symc.configdefaults``: the flags, by the name that old code imports them by."""

# ruff: noqa: F401 - a namespace re-exports

from .config import config
