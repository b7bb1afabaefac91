def reverse_text(text: str) -> str:
    """Return text with its letters in reverse order.

    >>> reverse_text("drawer")
    'reward'
    """
# --- solution
    return text[::-1]
# --- tests
assert reverse_text("drawer") == "reward"
assert reverse_text("ab c") == "c ba"
assert reverse_text("") == ""
assert reverse_text("x") == "x"
assert reverse_text("Noon") == "nooN"
