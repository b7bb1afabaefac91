"""Duplicates: files that say the same are found, and one of each stays."""
