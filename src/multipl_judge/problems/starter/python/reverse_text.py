def reverse_text(text: str) -> str:
    """Return text with its letters in reverse order.

    >>> reverse_text("drawer")
    'reward'
    """
# --- solution
    return text[::-1]
