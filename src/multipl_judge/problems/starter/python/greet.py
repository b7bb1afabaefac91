def greet(name: str) -> str:
    """Return a greeting for the given name.

    >>> greet("Ada")
    'Hello, Ada!'
    """
# --- solution
    return f"Hello, {name}!"
