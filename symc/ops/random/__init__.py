"""Random draws as expressions of a state, the vector (key, counter)."""
