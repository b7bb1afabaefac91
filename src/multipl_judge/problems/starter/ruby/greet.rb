# Returns a greeting for the given name.
#
#   greet("Ada") # => "Hello, Ada!"
def greet(name)
# --- solution
  "Hello, #{name}!"
end
