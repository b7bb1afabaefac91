"""Generating text in the terminal, and showing which experts wrote it."""
