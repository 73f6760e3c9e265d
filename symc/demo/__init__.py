"""The demonstration behind ``symc demo``: models trained on real handwritten digits."""
