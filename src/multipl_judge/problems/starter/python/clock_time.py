def clock_time(seconds: int) -> str:
    """Return a number of seconds as hours, minutes and seconds.

    Minutes and seconds have two digits each, hours as many as they need.

    >>> clock_time(3665)
    '1:01:05'
    """
# --- solution
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
# --- tests
assert clock_time(3665) == "1:01:05"
assert clock_time(59) == "0:00:59"
assert clock_time(0) == "0:00:00"
assert clock_time(600) == "0:10:00"
assert clock_time(86399) == "23:59:59"
assert clock_time(360000) == "100:00:00"
