from pathlib import Path

for folder in ("/scratch", "/tmp", "/dev/shm"):
    for number in range(3):
        Path(folder, f"{number}").write_bytes(bytes(40 * 2**20))
rest = bytearray(b"x") * (200 * 2**20)


def double_number(n):
    import time

    time.sleep(60)
    return 2 * n
