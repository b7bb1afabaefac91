import re


def calculate(expression: str) -> int:
    """Return the value of an arithmetic expression.

    It holds whole numbers, the signs + - and *, round brackets and spaces. Multiplication goes
    before addition and subtraction; otherwise it is read from left to right.

    >>> calculate("2 + 3 * 4")
    14
    >>> calculate("(2 + 3) * 4")
    20
    """
# --- solution
    tokens = re.findall(r"\d+|[-+*()]", expression)[::-1]

    def factor() -> int:
        token = tokens.pop()
        if token != "(":
            return int(token)
        value = total()
        tokens.pop()
        return value

    def product() -> int:
        value = factor()
        while tokens and tokens[-1] == "*":
            tokens.pop()
            value *= factor()
        return value

    def total() -> int:
        value = product()
        while tokens and tokens[-1] in "+-":
            value += product() if tokens.pop() == "+" else -product()
        return value

    return total()
