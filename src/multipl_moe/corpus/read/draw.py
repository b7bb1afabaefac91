"""The order in which files are drawn, which decides whatever must not depend on where and when a task runs."""

import hashlib


def draw_order(seed: int, path: str) -> int:
    """Place of a file among all of its language: lower comes first; the seed and the path decide alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{path}".encode()).digest())
