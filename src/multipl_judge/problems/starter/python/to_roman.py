def to_roman(n: int) -> str:
    """Return n, from 1 to 3999, as a Roman number.

    >>> to_roman(4)
    'IV'
    >>> to_roman(1987)
    'MCMLXXXVII'
    """
# --- solution
    values = [1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1]
    signs = ["M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"]
    roman = ""
    for value, sign in zip(values, signs, strict=True):
        roman += n // value * sign
        n %= value
    return roman
# --- tests
assert to_roman(4) == "IV"
assert to_roman(1987) == "MCMLXXXVII"
assert to_roman(1) == "I"
assert to_roman(3000) == "M" * 3
assert to_roman(49) == "XLIX"
assert to_roman(3999) == "MMMCMXCIX"
assert to_roman(500) == "D"
assert to_roman(94) == "XCIV"
