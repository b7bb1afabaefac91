"""Completions for problems: from a model in this process, from an endpoint, or from a file."""
