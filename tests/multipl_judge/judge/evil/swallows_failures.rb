def double_number(n)
  yield 0
rescue Exception
  n
