"""Source files that caches are made of: a compiler of Go tests, a stand-in for a Rust crate and the like."""

from importlib.resources import files


def text_of(name: str) -> str:
    """The text of one of the files beside this one."""
    return (files(__name__) / name).read_text(encoding="utf-8")
