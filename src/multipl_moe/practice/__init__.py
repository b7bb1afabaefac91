"""Practice: a model's own answers to tasks, judged; those that pass are what it, or another, learns from next."""
