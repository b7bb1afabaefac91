"""Packs: what was trained of a model, as a folder without the base, and models put together of several."""
