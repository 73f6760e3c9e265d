"""Convolution in any number of dimensions: the ops, their geometry and their NumPy reference."""
