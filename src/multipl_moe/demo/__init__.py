"""The one-command story: what it does by itself, how long that takes here, and its steps."""
