import sys


def double_number(n: int) -> int:
    sys.stdout.buffer.write(bytes(range(256)) * 20 + b"\xff\xfe\n")
    return 2 * n
