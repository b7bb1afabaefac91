"""Measuring a model: bits per byte on held-out files, and the statistics of the difference."""
