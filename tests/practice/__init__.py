"""Practice: tasks, rounds, and what is kept."""
