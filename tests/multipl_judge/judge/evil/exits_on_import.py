def double_number(n: int) -> int:
    return 2 * n


raise SystemExit
