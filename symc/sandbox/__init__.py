"""Paths that Theano's users know."""
