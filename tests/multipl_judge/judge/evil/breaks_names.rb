# A line break before the end of a name of the harness.
def double_number(n)
  text = "
rness"
  text.size == 6 ? 2 * n : 0
