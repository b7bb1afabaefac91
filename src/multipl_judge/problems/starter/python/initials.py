def initials(name: str) -> str:
    """Return the first letter of each word of name, in upper case.

    Words are separated by one or more spaces.

    >>> initials("grace hopper")
    'GH'
    """
# --- solution
    return "".join(word[0].upper() for word in name.split())
