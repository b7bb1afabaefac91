def greet(name: str) -> str:
    """Return a greeting for the given name.

    >>> greet("Ada")
    'Hello, Ada!'
    """
# --- solution
    return f"Hello, {name}!"
# --- tests
assert greet("Ada") == "Hello, Ada!"
assert greet("Bo") == "Hello, Bo!"
assert greet("Mary Ann") == "Hello, Mary Ann!"
assert greet("") == "Hello, !"
