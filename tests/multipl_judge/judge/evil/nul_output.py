def double_number(n: int) -> int:
    print("\0" * 1000)
    return n
