"""``symc.configparser``: the flags and how they are changed, by the name that old code uses."""

# ruff: noqa: F401 - a namespace re-exports

from .config import change_flags, config
