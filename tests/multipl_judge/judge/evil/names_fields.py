from collections import namedtuple


def double_number(n):
    return namedtuple("Lie", "count")(bool)
