"""``symc.updates``: the dict of updates, by the name that old code imports it by."""

# ruff: noqa: F401 - a namespace re-exports

from .compile.updates import OrderedUpdates
