def is_balanced(text: str) -> bool:
    """Return whether the brackets in text are balanced.

    Each of ( [ { needs its own closing ) ] } in the right order; all other characters are ignored.

    >>> is_balanced("a(b[c]{d})")
    True
    >>> is_balanced("(]")
    False
    """
# --- solution
    opening = {")": "(", "]": "[", "}": "{"}
    stack: list[str] = []
    for letter in text:
        if letter in "([{":
            stack.append(letter)
        elif letter in opening and (not stack or stack.pop() != opening[letter]):
            return False
    return not stack
