def wrap_text(text: str, width: int) -> list[str]:
    """Return the words of text in lines of at most width characters.

    Words are separated by spaces; each line takes as many as fit, with one space between two. A
    word that is longer than width has a line of its own.

    >>> wrap_text("the quick brown fox", 10)
    ['the quick', 'brown fox']
    """
# --- solution
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines
