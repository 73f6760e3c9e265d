"""Linear algebra: ops that call NumPy and SciPy, with gradients as graphs of each other."""
