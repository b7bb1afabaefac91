"""Packs: what was trained of a model, as a folder of some megabytes, and models put together of several."""
