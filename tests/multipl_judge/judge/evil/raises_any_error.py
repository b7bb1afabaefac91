class OddError(Exception):
    pass


def double_number(n):
    raise KeyError("any")
