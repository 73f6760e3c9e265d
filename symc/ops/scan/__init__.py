"""Loops: the op (`op`), what users write (`api`), and the derivatives (`gradient`, `forward`)."""
