"""From a trained model to a folder that others can use: with transformers alone, merged into the base, or as GGUF."""
