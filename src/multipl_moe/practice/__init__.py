"""Practice: answers to tasks, a model's own or a teacher's, judged; from those that pass a model learns next."""
