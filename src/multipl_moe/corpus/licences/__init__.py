"""Licences: which one a file is under, by its folder and its own words, and which files a recipe leaves out for it."""
