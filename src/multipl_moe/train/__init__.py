"""Training of the new parameters, everything else frozen."""
