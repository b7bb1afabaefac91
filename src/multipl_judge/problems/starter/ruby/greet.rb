# Returns a greeting for the given name.
#
#   greet("Ada") # => "Hello, Ada!"
def greet(name)
# --- solution
  "Hello, #{name}!"
end
# --- tests
assert_equal("Hello, Ada!", greet("Ada"))
assert_equal("Hello, Bo!", greet("Bo"))
assert_equal("Hello, Mary Ann!", greet("Mary Ann"))
assert_equal("Hello, !", greet(""))
