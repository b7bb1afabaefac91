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
