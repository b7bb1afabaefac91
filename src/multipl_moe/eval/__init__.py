"""Measuring a model: bits per byte, programs that pass, how far it moved, and the statistics of the differences."""
