"""``symc.version``: the version, as text."""

__all__ = ["full_version", "release", "short_version", "version"]

version = "0.1.0"
short_version = full_version = version
release = True
