"""``symc.tests``: helpers for the tests of those who write ops."""
