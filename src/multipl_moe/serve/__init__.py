"""transformers' own server on one model: its application and handlers, without the paths that load other models."""
