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
# --- tests
assert caesar_shift("Hello, xyz!", 3) == "Khoor, abc!"
assert caesar_shift("abc", -1) == "zab"
assert caesar_shift("", 5) == ""
assert caesar_shift("Zz", 27) == "Aa"
assert caesar_shift("no change", 0) == "no change"
assert caesar_shift("a-B 9", -28) == "y-Z 9"
assert caesar_shift("m" * 30, 13) == "z" * 30
