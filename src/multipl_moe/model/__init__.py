"""The hybrid layer and the causal language model around it."""
