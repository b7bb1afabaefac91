def caesar_shift(text: str, shift: int) -> str:
    """Return text with each letter moved by shift places in the alphabet.

    After z comes a again; upper and lower case are kept, and so is all that is no letter. A
    negative shift moves backwards.

    >>> caesar_shift("Hello, xyz!", 3)
    'Khoor, abc!'
    >>> caesar_shift("abc", -1)
    'zab'
    """
# --- solution
    shifted = ""
    for letter in text:
        if letter.isalpha():
            first = ord("a") if letter.islower() else ord("A")
            letter = chr((ord(letter) - first + shift) % 26 + first)
        shifted += letter
    return shifted
