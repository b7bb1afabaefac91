def double_number(n: int) -> int:
    raise StopIteration
