"""Model folders: finding the base, loading, and reading and writing their tensors one at a time."""
