"""The recipe of a run: its parts, each strict about its keys and values, and `recipe.py`, which puts them together."""
