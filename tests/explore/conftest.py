"""A real browser."""

from tests.browser import browser

__all__ = ["browser"]
