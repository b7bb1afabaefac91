import time


def double_number(n: int) -> int:
    time.sleep(3600)
    return 2 * n
