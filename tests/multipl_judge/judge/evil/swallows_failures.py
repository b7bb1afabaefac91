import contextlib


def double_number(look):
    with contextlib.suppress(BaseException):
        look(0)
