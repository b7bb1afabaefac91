"""The small measured result of tests/eval/measured.py."""

from tests.eval.measured import after, before, metrics, moved, recipe, records, training

__all__ = ["after", "before", "metrics", "moved", "recipe", "records", "training"]
