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
