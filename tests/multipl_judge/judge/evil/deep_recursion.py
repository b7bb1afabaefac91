def double_number(n: int) -> int:
    return double_number(n + 1) + double_number(n + 2)
