import sys
import threading

sys.setswitchinterval(1e-6)
names = globals()


def double_number(n):
    return n


def rename():
    while True:
        names["__name__"] = "other"


threading.Thread(target=rename, daemon=True).start()
