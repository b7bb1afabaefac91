class OddError < StandardError
end

def double_number(n)
  raise KeyError, 'any'
